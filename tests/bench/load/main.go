// Command load sends prepared HTTP requests to a server on loopback and prints what came of them as JSON.
//
// One thread and one epoll, so that the load costs its core less than the server costs its own. Closed loop: each
// connection sends its next request once it has its answer. Open loop (-rate): requests are due at random moments of a
// fixed seed, and a latency counts from the moment at which a request was due, not from when a connection was free.
// Bounded in time, connections and requests; talks to loopback only. Called by tests/bench/loading.py.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"time"
)

const (
	maxDuration    = 30 * time.Minute
	maxConnections = 20_000
	drainTime      = 40 * time.Second
)

type options struct {
	address     netip.AddrPort
	requests    [][]byte
	connections int
	duration    time.Duration
	rate        float64
	limit       int
	every       time.Duration
	pid         int
}

type files []string

func (f *files) String() string { return fmt.Sprint(*f) }

func (f *files) Set(name string) error {
	*f = append(*f, name)
	return nil
}

func main() {
	chosen, err := read()
	if err == nil {
		runtime.LockOSThread()
		err = run(chosen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func read() (options, error) {
	var paths files
	var chosen options
	address := flag.String("address", "", "loopback address and port of the server")
	flag.Var(&paths, "request", "file with the bytes of a whole request; several are sent in turn")
	flag.IntVar(&chosen.connections, "connections", 64, "connections that are open at the same time")
	flag.DurationVar(&chosen.duration, "duration", 10*time.Second, "how long new requests are sent")
	flag.Float64Var(&chosen.rate, "rate", 0, "open loop: requests a second; 0 is closed loop")
	flag.IntVar(&chosen.limit, "limit", 0, "requests in all; 0 is as many as the time allows")
	flag.DurationVar(&chosen.every, "every", 0, "print a line of what there is so far, this often")
	flag.IntVar(&chosen.pid, "pid", 0, "process whose CPU time is read, too")
	flag.Parse()
	var err error
	if chosen.address, err = netip.ParseAddrPort(*address); err != nil {
		return chosen, err
	}
	if !chosen.address.Addr().IsLoopback() || !chosen.address.Addr().Is4() {
		return chosen, errors.New("only servers on 127.0.0.1 are loaded")
	}
	if chosen.connections < 1 || chosen.connections > maxConnections || chosen.duration > maxDuration {
		return chosen, fmt.Errorf("at most %d connections and %s", maxConnections, maxDuration)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return chosen, err
		}
		chosen.requests = append(chosen.requests, content)
	}
	if len(chosen.requests) == 0 {
		return chosen, errors.New("no -request")
	}
	return chosen, nil
}

func run(chosen options) error {
	load, err := newLoad(chosen)
	if err != nil {
		return err
	}
	before := readMachine(chosen.pid)
	load.begin()
	if err := load.sendUntil(load.began.Add(chosen.duration)); err != nil {
		return err
	}
	after := readMachine(chosen.pid)
	if err := load.drain(time.Now().Add(drainTime)); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(load.report(before, after))
}
