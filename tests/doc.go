// Package tests holds the scenarios that cross package borders: a Session against
// real servers on loopback sockets that answer, stall, reset, truncate and lie.
// There is nothing in it to import.
//
//	go test ./tests/          all scenarios
//	go test -race ./tests/    the same, with the race detector
//
// Each file is one theme: limits, storms of cancellation, an outage, the end of a
// session, panics in the user's code, drivers, idle connections, fairness, hostile
// answers, isolation, secrets, many hosts, the direction of dependencies, a soak.
// origin_test.go is the server of all of them, behaviour_test.go what it can do to
// a request. README.md lists which test holds which promise.
//
// Tests here wait for conditions, never for time to pass. Where a promise is about
// time itself, the bound is generous and the condition is what ends the wait.
package tests
