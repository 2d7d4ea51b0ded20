package main

import (
	"bytes"
	"errors"
	"strconv"
	"syscall"
	"time"
)

var headEnd = []byte("\r\n\r\n")

// connection sends one request at a time and reads its answer. Opens itself again where the server closes.
type connection struct {
	load   *load
	fd     int
	out    []byte
	in     []byte
	since  time.Time
	busy   bool
	writes bool // epoll tells when more can be written
}

func (c *connection) open() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	target := syscall.SockaddrInet4{Port: int(c.load.address.Port()), Addr: c.load.address.Addr().As4()}
	if err := syscall.Connect(fd, &target); err != nil {
		_ = syscall.Close(fd)
		return err
	}
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	c.fd, c.writes, c.in = fd, false, c.in[:0]
	c.load.byFd[fd] = c
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	return syscall.EpollCtl(c.load.epoll, syscall.EPOLL_CTL_ADD, fd, &event)
}

func (c *connection) send(since time.Time) {
	c.since, c.busy = since, true
	c.out = c.load.nextRequest()
	c.write()
}

func (c *connection) write() {
	for len(c.out) > 0 {
		count, err := syscall.Write(c.fd, c.out)
		if err == syscall.EAGAIN {
			c.watch(true)
			return
		}
		if err != nil {
			// The answer, a refusal perhaps, may be there to be read: reading finds out.
			c.out = nil
			break
		}
		c.out = c.out[count:]
	}
	c.watch(false)
}

func (c *connection) watch(writes bool) {
	if c.writes == writes {
		return
	}
	c.writes = writes
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(c.fd)}
	if writes {
		event.Events |= syscall.EPOLLOUT
	}
	_ = syscall.EpollCtl(c.load.epoll, syscall.EPOLL_CTL_MOD, c.fd, &event)
}

func (c *connection) handle(events uint32) {
	if events&^syscall.EPOLLOUT != 0 {
		c.read()
	} else if c.busy {
		c.write()
	}
}

func (c *connection) read() {
	count, err := syscall.Read(c.fd, c.load.buffer)
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return
	}
	if err != nil || count == 0 {
		c.lost()
		return
	}
	c.in = append(c.in, c.load.buffer[:count]...)
	answer, err := parse(c.in)
	if err != nil {
		c.lost()
		return
	}
	if !answer.complete {
		return
	}
	c.in = c.in[:0]
	// A refusal may come before all is sent: what is left then has no place to go.
	if answer.closes || len(c.out) > 0 {
		c.reopen()
	}
	if c.busy {
		c.busy = false
		c.load.counts.add(answer.status, time.Since(c.since))
		c.load.ended(c)
	}
}

func (c *connection) lost() {
	c.reopen()
	if c.busy {
		c.busy = false
		c.load.counts.lost++
		c.load.ended(c)
	}
}

func (c *connection) reopen() {
	delete(c.load.byFd, c.fd)
	_ = syscall.Close(c.fd)
	c.out = nil
	c.load.counts.reopened++
	if err := c.open(); err != nil {
		panic("the server is gone: " + err.Error())
	}
}

type answer struct {
	status   int
	complete bool
	closes   bool
}

// parse reads an answer with a Content-Length, or without a body.
func parse(in []byte) (answer, error) {
	end := bytes.Index(in, headEnd)
	if end < 0 {
		return answer{}, nil
	}
	if end < 12 {
		return answer{}, errors.New("no status line")
	}
	status, err := strconv.Atoi(string(in[9:12]))
	if err != nil {
		return answer{}, err
	}
	length, closes, err := framing(in[:end])
	if err != nil {
		return answer{}, err
	}
	return answer{status: status, closes: closes, complete: len(in) >= end+len(headEnd)+length}, nil
}

func framing(head []byte) (length int, closes bool, err error) {
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, headEnd[:2])
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			continue
		}
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("content-length")):
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
		case len(name) == 10 && bytes.EqualFold(name, []byte("connection")):
			closes = bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		case len(name) == 17 && bytes.EqualFold(name, []byte("transfer-encoding")):
			err = errors.New("answers in chunks are not read")
		}
	}
	return length, closes, err
}
