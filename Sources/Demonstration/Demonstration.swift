// The Demonstration target.
