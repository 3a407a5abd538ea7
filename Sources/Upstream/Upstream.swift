// The Upstream target.
