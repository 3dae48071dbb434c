//! How often somebody may do something: one bucket each, and never more buckets than fit.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Buckets that are compared when one has to go.
const SAMPLE: usize = 16;
/// How often the full ones are looked for, at most.
const SWEEP: Duration = Duration::from_secs(1);

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

struct Table<K> {
    buckets: HashMap<K, Bucket>,
    swept: Option<Instant>,
}

/// Buckets of `burst` tokens that fill with `rate` tokens a second.
pub(crate) struct Buckets<K> {
    rate: f64,
    burst: f64,
    most: usize,
    table: Mutex<Table<K>>,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    pub(crate) fn new(rate: f64, burst: f64, most: usize) -> Self {
        let table = Table { buckets: HashMap::new(), swept: None };
        Self { rate, burst: burst.max(1.0), most, table: Mutex::new(table) }
    }

    fn tokens(&self, bucket: Bucket, now: Instant) -> f64 {
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.tokens + since * self.rate).min(self.burst)
    }

    fn wait(&self, tokens: f64) -> Duration {
        Duration::try_from_secs_f64((1.0 - tokens) / self.rate).unwrap_or(Duration::MAX)
    }

    /// Whether there is a token; else when there will be one. Takes none.
    pub(crate) fn check(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = table.buckets.get(key).map_or(self.burst, |bucket| self.tokens(*bucket, now));
        if tokens >= 1.0 { Ok(()) } else { Err(self.wait(tokens)) }
    }

    /// Takes a token; else says when there will be one.
    pub(crate) fn take(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = if let Some(bucket) = table.buckets.get(key) {
            self.tokens(*bucket, now)
        } else {
            self.make_room(&mut table, now);
            self.burst
        };
        let (left, answer) = if tokens >= 1.0 { (tokens - 1.0, Ok(())) } else { (tokens, Err(self.wait(tokens))) };
        table.buckets.insert(key.clone(), Bucket { tokens: left, at: now });
        answer
    }

    /// A full bucket says nothing; where all say something, the fullest of some goes.
    fn make_room(&self, table: &mut Table<K>, now: Instant) {
        if table.buckets.len() < self.most {
            return;
        }
        if table.swept.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP) {
            table.swept = Some(now);
            table.buckets.retain(|_, bucket| self.tokens(*bucket, now) < self.burst);
        }
        while table.buckets.len() >= self.most {
            let some = table.buckets.iter().take(SAMPLE);
            let fullest = some.max_by(|a, b| self.tokens(*a.1, now).total_cmp(&self.tokens(*b.1, now)));
            let Some(key) = fullest.map(|(key, _)| key.clone()) else { return };
            table.buckets.remove(&key);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.table.lock().unwrap().buckets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_the_rate_with_the_right_time_to_wait() {
        let buckets = Buckets::new(10.0, 30.0, 100);
        for _ in 0..30 {
            assert_eq!(buckets.take(&"a", Instant::now()), Ok(()));
        }
        let wait = buckets.take(&"a", Instant::now()).unwrap_err();
        assert!(wait > Duration::from_millis(99) && wait < Duration::from_millis(101), "{wait:?}");
        assert_eq!(buckets.take(&"b", Instant::now()), Ok(()));
        tokio::time::advance(Duration::from_millis(101)).await;
        assert_eq!(buckets.check(&"a", Instant::now()), Ok(()));
        assert_eq!(buckets.take(&"a", Instant::now()), Ok(()));
        assert!(buckets.take(&"a", Instant::now()).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_thousand_keys_take_the_room_of_a_hundred() {
        let buckets = Buckets::new(1.0, 2.0, 100);
        for key in 0..100_000 {
            assert_eq!(buckets.take(&key, Instant::now()), Ok(()));
        }
        assert!(buckets.len() <= 100);
        tokio::time::advance(Duration::from_secs(10)).await;
        let _ = buckets.take(&-1, Instant::now());
        assert_eq!(buckets.len(), 1);
    }
}
