// What has moved to a part of the worker, for who still calls it here.
