import CReactor
internal import Wire

/// The child processes of one loop.
@safe
public struct Children {
  /// The loop that they live on.
  let raw: OpaquePointer

  /// What a child is started with, beside its command.
  public struct Options: Sendable {
    /// Bytes of one line of output, and of one line of errors.
    public var maximumLine = 64 << 20
    public var maximumLogLine = 8 << 10
    /// Milliseconds from the end of its input to SIGTERM, and again to SIGKILL.
    public var grace: UInt32 = 2000
    /// Its soft limit on descriptors; 0: ours.
    public var descriptors: UInt64 = 0
    /// How many it may have at all; 0: as many as we.
    public var mostDescriptors: UInt64 = 0
    /// Bytes of data of each of its processes (`RLIMIT_DATA`); 0: as many as ours.
    public var data: UInt64 = 0
    /// Processes and threads of all that its user runs (`RLIMIT_NPROC`); 0: as many as we.
    public var processes: UInt64 = 0
    /// An open `cgroup.procs`: of the cgroup that it is to be in; 0: ours.
    public var group: Int32 = 0
    /// Bytes per second that it may say beside messages, 0: any number; and how many of them at once.
    public var chatterRate = 0
    public var chatterBurst = 0

    public init() {}
  }

  /// Starts a child in its own process group. Failure comes by `childExited`, later.
  public func start(
    arguments: [String], environment: [String], directory: String?, _ limits: Options, tag: UInt64
  ) -> ConnectionID? {
    let id = unsafe withCStrings(arguments) { arguments in
      unsafe withCStrings(environment) { environment in
        var options = unsafe cr_child_options()
        unsafe options.arguments = arguments
        unsafe options.environment = environment
        unsafe options.max_line = limits.maximumLine
        unsafe options.max_log_line = limits.maximumLogLine
        unsafe options.grace = limits.grace
        unsafe options.descriptors = limits.descriptors
        unsafe options.files = limits.mostDescriptors
        unsafe options.data = limits.data
        unsafe options.processes = limits.processes
        unsafe options.group = limits.group
        unsafe options.chatter_rate = UInt64(limits.chatterRate)
        unsafe options.chatter_burst = UInt64(limits.chatterBurst)
        guard let directory else { return unsafe cr_child_start(raw, &options, tag) }
        return unsafe directory.withCString { directory in
          unsafe options.directory = directory
          return unsafe cr_child_start(raw, &options, tag)
        }
      }
    }
    return id == 0 ? nil : ConnectionID(rawValue: id)
  }

  @discardableResult
  public func write(
    _ child: ConnectionID, _ first: RawSpan, _ second: RawSpan = RawSpan(), _ third: RawSpan = RawSpan()
  ) -> WriteOutcome {
    unsafe withPieces(first, second, third) { pieces, count in
      unsafe WriteOutcome(cr_child_write(raw, child.rawValue, pieces, count))
    }
  }

  /// A line of its output is no message, and counts with what it says on stderr. Whether that is within its rate; if not,
  /// the line is counted as left out.
  public func chatters(_ child: ConnectionID, bytes: Int) -> Bool {
    unsafe cr_child_chatters(raw, child.rawValue, bytes)
  }

  /// Bytes that wait for it to read them; 0 if there is no such child.
  public func unread(_ child: ConnectionID) -> Int { unsafe cr_child_unread(raw, child.rawValue) }

  /// Closes its standard input; SIGTERM after its grace, SIGKILL after it once more.
  public func close(_ child: ConnectionID) { unsafe cr_child_close(raw, child.rawValue) }

  public func kill(_ child: ConnectionID) { unsafe cr_child_kill(raw, child.rawValue) }

  public func pid(_ child: ConnectionID) -> Int64 { unsafe cr_child_pid(raw, child.rawValue) }

  private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
  ) -> Result {
    var storage: [CChar] = []
    var offsets: [Int] = []
    for string in strings {
      offsets.append(storage.count)
      storage.append(contentsOf: string.utf8CString)
    }
    return unsafe storage.withUnsafeBufferPointer { bytes in
      var pointers = unsafe offsets.map { unsafe Optional(bytes.baseAddress! + $0) }
      unsafe pointers.append(nil)
      return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
    }
  }
}
