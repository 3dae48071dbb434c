//! Findings, verification and issuing on certificates of every kind.
