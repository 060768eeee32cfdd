//! The body of a response: whole, a stream, or one that breaks off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use http_body::{Body, Frame, SizeHint};

/// The body of a response.
pub struct SimBody(Kind);

enum Kind {
    Whole(Option<Bytes>),
    /// So much of it, and then the connection breaks.
    Broken {
        sent: Option<Bytes>,
        promised: u64,
    },
    Stream(BoxStream<'static, Bytes>),
    /// A stream whose answer begins with its first bytes.
    Late(BoxStream<'static, Bytes>),
    /// So much more of a stream, and then the connection breaks.
    Breaks(BoxStream<'static, Bytes>, usize),
}

impl SimBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(Some(bytes.into())))
    }

    pub(crate) fn stream(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Kind::Stream(stream.boxed()))
    }

    /// A stream whose answer begins with its first bytes, or with its end.
    pub(crate) fn late(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Kind::Late(stream.boxed()))
    }

    /// The body once it has begun.
    pub async fn begun(self) -> Self {
        match self.0 {
            Kind::Late(mut stream) => {
                let first = stream.next().await;
                Self::stream(futures::stream::iter(first).chain(stream))
            }
            kind => Self(kind),
        }
    }

    /// Breaks off after so many bytes.
    pub(crate) fn cut(self, bytes: usize) -> Self {
        let whole = match self.0 {
            Kind::Whole(whole) => whole.unwrap_or_default(),
            Kind::Broken { .. } => Bytes::new(),
            Kind::Stream(stream) | Kind::Late(stream) | Kind::Breaks(stream, _) => {
                return Self(Kind::Breaks(stream, bytes));
            }
        };
        let promised = whole.len().max(bytes + 1) as u64;
        Self(Kind::Broken { sent: Some(whole.slice(..bytes.min(whole.len()))), promised })
    }
}

impl std::fmt::Debug for SimBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimBody")
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.0 {
            Kind::Whole(whole) => {
                Poll::Ready(whole.take().filter(|b| !b.is_empty()).map(|b| Ok(Frame::data(b))))
            }
            Kind::Broken { sent, .. } => Poll::Ready(match sent.take() {
                Some(bytes) if !bytes.is_empty() => Some(Ok(Frame::data(bytes))),
                _ => Some(Err(broken())),
            }),
            Kind::Stream(stream) | Kind::Late(stream) => {
                stream.poll_next_unpin(context).map(|b| b.map(|b| Ok(Frame::data(b))))
            }
            Kind::Breaks(_, 0) => Poll::Ready(Some(Err(broken()))),
            Kind::Breaks(stream, left) => stream.poll_next_unpin(context).map(|bytes| {
                let mut bytes = bytes?;
                bytes.truncate(*left);
                *left -= bytes.len();
                Some(Ok(Frame::data(bytes)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Whole(whole) if whole.as_ref().is_none_or(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(whole) => {
                SizeHint::with_exact(whole.as_ref().map_or(0, |b| b.len() as u64))
            }
            Kind::Broken { promised, .. } => SizeHint::with_exact(*promised),
            Kind::Stream(_) | Kind::Late(_) | Kind::Breaks(..) => SizeHint::default(),
        }
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the answer broke off")
}
