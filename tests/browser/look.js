// Opens a picture in Chromium, and fails where something of it is not seen: text or bars outside the
// picture, texts that overlap each other or bars, colours that are the page's, or fewer bars than the
// file has.

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";

const [picture, screenshot] = process.argv.slice(2);
const source = await readFile(picture, "utf8");
const browser = await puppeteer.launch({
  args: chromium.args,
  executablePath: await chromium.executablePath(),
  headless: "shell",
});
const found = [];
for (const scheme of ["light", "dark"]) {
  const page = await browser.newPage();
  page.on("pageerror", (error) => found.push(`${scheme}: ${error}`));
  await page.setViewport({ width: 1400, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(pathToFileURL(picture).href);
  const wrong = await page.evaluate(look);
  found.push(...wrong.map((what) => `${scheme}: ${what}`));
  const bars = await page.evaluate(() => document.querySelectorAll("rect").length);
  if (bars !== source.split("<rect ").length - 1) found.push(`${scheme}: ${bars} bars are seen`);
  if (scheme === "light") await page.screenshot({ path: screenshot, fullPage: true });
}
const version = await browser.version();
await browser.close();
for (const what of found) console.log(what);
console.log(`${version}: ${found.length === 0 ? 1 : 0} passed, ${found.length} failed`);
process.exitCode = found.length === 0 ? 0 : 1;

/** Runs in the page: what is wrong with the picture. */
function look() {
  const root = document.documentElement;
  if (root.tagName !== "svg") return ["it is no picture: " + root.textContent.slice(0, 200)];
  const wrong = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const boxes = (selector) => all(selector).map((element) => [element, element.getBBox()]);
  const name = (element) => element.textContent || element.outerHTML;
  const overlap = (a, b) =>
    Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x) > 0.5 &&
    Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y) > 0.5;
  const page = document.querySelector(".page").getBBox();
  const drawn = boxes("text, rect:not(.page), line");
  for (const [element, box] of drawn) {
    const inside = box.x >= 0 && box.y >= 0 && box.x + box.width <= page.width;
    if (!inside || box.y + box.height > page.height) wrong.push(`outside: ${name(element)}`);
  }
  const texts = boxes("text");
  texts.forEach(([element, box], n) => {
    for (const [other, place] of texts.slice(n + 1)) {
      if (overlap(box, place)) wrong.push(`overlap: ${name(element)}, ${name(other)}`);
    }
    for (const [bar, place] of boxes("rect:not(.page)")) {
      if (overlap(box, place)) wrong.push(`a bar is over ${name(element)}: ${bar.outerHTML}`);
    }
  });
  const fill = (element) => getComputedStyle(element).fill;
  const ground = fill(document.querySelector(".page"));
  for (const element of all("text, rect:not(.page)")) {
    if (fill(element) === ground) wrong.push(`not to be seen: ${name(element)}`);
  }
  return wrong;
}
