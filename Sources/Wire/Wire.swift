// The Wire target.
