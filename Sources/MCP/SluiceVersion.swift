/// Which Sluice this is: what peers, operators and packages are told.
package enum SluiceVersion {
  package static let current = "0.1.0"
}
