//! As much HTTP as a demo needs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Longest request head that is read.
const LIMIT: u64 = 8 << 10;

/// Path of the request, when there is one.
pub fn read_path(stream: &mut TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut lines = BufReader::new(stream.take(LIMIT)).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    // The rest of the head is read, or the peer is told that the connection was reset.
    while lines.next()?.ok()?.trim() != "" {}
    Some(path)
}

/// Writes an answer.
pub fn write(stream: &mut TcpStream, status: u16, body: &str) {
    let head = format!(
        "HTTP/1.1 {status} -\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

/// Asks for a path; an answer other than 200 is an error.
pub fn get(host: &str, path: &str, timeout: Duration) -> Result<(), String> {
    let address = host.to_socket_addrs().map_err(|e| e.to_string())?.next().ok_or("no address")?;
    let mut stream = TcpStream::connect_timeout(&address, timeout).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(timeout)).map_err(|e| e.to_string())?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
        .map_err(|e| e.to_string())?;
    let mut first = String::new();
    BufReader::new(stream).read_line(&mut first).map_err(|e| e.to_string())?;
    if first.split(' ').nth(1) == Some("200") { Ok(()) } else { Err(format!("answered {:?}", first.trim())) }
}
