"""One file per command: the wiring. Only here are option trees and live objects seen together."""
