package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
	"unsafe"
)

const (
	readBytes  = 256 << 10
	maxEvents  = 512
	waitMillis = 50
)

// load is one run: its connections, its clock and its counts. Used by one thread.
type load struct {
	options
	epoll   int
	timer   int
	byFd    map[int]*connection
	idle    []*connection // first in, first out: open loop spreads over all connections
	buffer  []byte
	events  []syscall.EpollEvent
	random  *rand.Rand
	due     time.Time
	began   time.Time
	last    time.Time
	printed time.Time
	sending bool
	sent    int
	open    int
	counts  counts
}

func newLoad(chosen options) (*load, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	made := &load{
		options: chosen,
		epoll:   epoll,
		byFd:    make(map[int]*connection, chosen.connections),
		buffer:  make([]byte, readBytes),
		events:  make([]syscall.EpollEvent, maxEvents),
		random:  rand.New(rand.NewPCG(1, 2)),
		counts:  newCounts(),
	}
	for range chosen.connections {
		fresh := &connection{load: made}
		if err := fresh.open(); err != nil {
			return nil, err
		}
		made.idle = append(made.idle, fresh)
	}
	if chosen.rate > 0 {
		return made, made.openTimer()
	}
	return made, nil
}

func (l *load) begin() {
	l.began = time.Now()
	l.last, l.due, l.printed, l.sending = l.began, l.began, l.began, true
}

// sendUntil keeps the connections busy, or requests coming at the rate, until the time is up or the limit reached.
func (l *load) sendUntil(end time.Time) error {
	for {
		now := time.Now()
		if now.After(end) || (l.limit > 0 && l.sent >= l.limit) {
			l.sending = false
			return nil
		}
		l.sendDue(now)
		if err := l.wait(); err != nil {
			return err
		}
		l.printSoFar(now)
	}
}

// drain waits for answers that are still to come.
func (l *load) drain(end time.Time) error {
	for l.open > 0 && time.Now().Before(end) {
		if err := l.wait(); err != nil {
			return err
		}
	}
	l.counts.unanswered = l.open
	return nil
}

// sendDue starts what is due: in closed loop whatever has a connection.
func (l *load) sendDue(now time.Time) {
	for len(l.idle) > 0 && (l.limit == 0 || l.sent < l.limit) {
		if l.rate > 0 && l.due.After(now) {
			l.setTimer(l.due.Sub(now))
			return
		}
		chosen := l.idle[0]
		l.idle = l.idle[1:]
		if l.rate == 0 {
			chosen.send(now)
			continue
		}
		chosen.send(l.due)
		l.due = l.due.Add(time.Duration(l.random.ExpFloat64() / l.rate * float64(time.Second)))
	}
}

func (l *load) wait() error {
	count, err := syscall.EpollWait(l.epoll, l.events, waitMillis)
	if err == syscall.EINTR {
		return nil
	}
	if err != nil {
		return err
	}
	for index := range count {
		event := &l.events[index]
		if chosen, ok := l.byFd[int(event.Fd)]; ok {
			chosen.handle(event.Events)
		} else if int(event.Fd) == l.timer {
			var expirations [8]byte
			_, _ = syscall.Read(l.timer, expirations[:])
		}
	}
	return nil
}

func (l *load) nextRequest() []byte {
	chosen := l.requests[l.sent%len(l.requests)]
	l.sent++
	l.open++
	return chosen
}

// ended is told of each answer, or of its loss; the connection is free again.
func (l *load) ended(free *connection) {
	l.open--
	l.last = time.Now()
	if l.sending && l.rate == 0 && (l.limit == 0 || l.sent < l.limit) {
		free.send(l.last)
		return
	}
	l.idle = append(l.idle, free)
	if l.sending && l.rate > 0 {
		l.sendDue(l.last)
	}
}

func (l *load) printSoFar(now time.Time) {
	if l.every > 0 && now.Sub(l.printed) >= l.every {
		l.printed = now
		_ = json.NewEncoder(os.Stdout).Encode(l.counts.soFar(now.Sub(l.began)))
	}
}

// Epoll counts milliseconds, which is too coarse for requests that are 50 µs apart: a timer file does better.
func (l *load) openTimer() error {
	const nonblocking = 0o4000
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, 1, nonblocking, 0)
	if errno != 0 {
		return errno
	}
	l.timer = int(fd)
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(l.timer)}
	return syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, l.timer, &event)
}

func (l *load) setTimer(after time.Duration) {
	setting := [2]syscall.Timespec{{}, syscall.NsecToTimespec(max(int64(after), 1))}
	_, _, _ = syscall.RawSyscall6(
		syscall.SYS_TIMERFD_SETTIME, uintptr(l.timer), 0, uintptr(unsafe.Pointer(&setting)), 0, 0, 0,
	)
}
