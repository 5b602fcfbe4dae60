//go:build !linux

package main

import "runtime"

func pinClient() string { return "nothing is pinned: " + runtime.GOOS + " has no way to" }

func pinOrigin() {}

func numCPU() int { return runtime.NumCPU() }
