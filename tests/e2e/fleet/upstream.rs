//! An upstream that costs little, and one of whose answers is too long to have passed when a client
//! has seen its beginning.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const SHORT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// More than the sockets on the way hold.
const ENDLESS_BYTES: usize = 64 << 20;
const PIECE_BYTES: usize = 64 << 10;

/// Starts it; its URL.
pub async fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A connection ends when the node closes it.
            tokio::spawn(async move { drop(serve(stream).await) });
        }
    });
    url
}

async fn serve(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let is_endless = line.contains("/endless");
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
        }
        line.clear();
        if is_endless {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {ENDLESS_BYTES}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            for _ in 0..ENDLESS_BYTES / PIECE_BYTES {
                stream.write_all(&[b'x'; PIECE_BYTES]).await?;
            }
        } else {
            stream.write_all(SHORT).await?;
        }
    }
    Ok(())
}
