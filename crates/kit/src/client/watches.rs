//! How long the API server keeps a watch open.
//!
//! The client library asks for 290 seconds and takes a stream that is silent for longer than that for dead. Bookmarks come
//! every minute, so a live stream is never silent that long: the server may keep it open for most of an hour, which is a
//! tenth of the requests, and a dead one is still noticed after five minutes.

use std::hash::{DefaultHasher, Hash, Hasher};

use http::Request;

/// Least and most seconds; between them by kind and place, so that not all watches begin anew at once.
const OPEN: std::ops::Range<u64> = 3000..3600;

/// The same request; a watch that asks for bookmarks is asked for longer.
pub fn patient<B>(mut request: Request<B>) -> Request<B> {
    let uri = request.uri();
    let Some(query) = uri.query() else { return request };
    let has = |wanted: &str| query.split('&').any(|pair| pair == wanted);
    if !has("watch=true") || !has("allowWatchBookmarks=true") {
        return request;
    }
    let mut hasher = DefaultHasher::new();
    uri.path().hash(&mut hasher);
    let seconds = OPEN.start + hasher.finish() % (OPEN.end - OPEN.start);
    let pairs: Vec<String> =
        query
            .split('&')
            .map(|pair| {
                if pair.starts_with("timeoutSeconds=") { format!("timeoutSeconds={seconds}") } else { pair.to_owned() }
            })
            .collect();
    let mut parts = uri.clone().into_parts();
    if let Ok(path) = format!("{}?{}", uri.path(), pairs.join("&")).parse() {
        parts.path_and_query = Some(path);
    }
    if let Ok(changed) = http::Uri::from_parts(parts) {
        *request.uri_mut() = changed;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(uri: &str) -> String {
        patient(Request::get(uri).body(()).unwrap()).uri().to_string()
    }

    #[test]
    fn only_watches_with_bookmarks_stay_open_longer() {
        let watch = sent("/api/v1/pods?watch=true&timeoutSeconds=290&allowWatchBookmarks=true&resourceVersion=7");
        let seconds: u64 = watch.split("timeoutSeconds=").nth(1).unwrap().split('&').next().unwrap().parse().unwrap();
        assert!(OPEN.contains(&seconds), "{watch}");
        assert!(watch.starts_with("/api/v1/pods?watch=true&") && watch.ends_with("&resourceVersion=7"), "{watch}");
        for same in [
            "/api/v1/pods?watch=true&timeoutSeconds=290",
            "/api/v1/pods?limit=500&timeoutSeconds=290&allowWatchBookmarks=true",
            "/api/v1/namespaces/shop/pods/web",
        ] {
            assert_eq!(sent(same), same);
        }
    }
}
