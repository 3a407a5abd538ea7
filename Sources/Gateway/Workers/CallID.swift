/// Tells the numbers of calls from others.
enum CallName {}

/// Names a client's call, on whichever loop.
typealias CallID = SlotID<CallName>
