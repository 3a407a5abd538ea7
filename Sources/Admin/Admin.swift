// The Admin target.
