package main

import (
	"math/bits"
	"strconv"
	"time"
)

const (
	exactBits = 10
	exact     = 1 << exactBits
	half      = exact / 2
)

// counts has latencies in microseconds, exact to a fifth of a percent, in bounded memory.
type counts struct {
	statuses   map[int]int
	buckets    []int
	answered   int
	sum        time.Duration
	longest    time.Duration
	lost       int
	reopened   int
	unanswered int
}

func newCounts() counts {
	return counts{statuses: map[int]int{}, buckets: make([]int, exact+half*40)}
}

func (c *counts) add(status int, latency time.Duration) {
	c.statuses[status]++
	c.answered++
	c.sum += latency
	c.longest = max(c.longest, latency)
	c.buckets[bucketOf(uint64(latency/time.Microsecond))]++
}

func bucketOf(micros uint64) int {
	if micros < exact {
		return int(micros)
	}
	shift := bits.Len64(micros) - exactBits
	return exact + (shift-1)*half + int(micros>>shift) - half
}

func microsOf(bucket int) float64 {
	if bucket < exact {
		return float64(bucket)
	}
	shift := (bucket-exact)/half + 1
	return float64(uint64((bucket-exact)%half+half) << shift)
}

func (c *counts) quantile(share float64) float64 {
	wanted, seen := int(share*float64(c.answered)), 0
	for bucket, count := range c.buckets {
		seen += count
		if count > 0 && seen > wanted {
			return microsOf(bucket)
		}
	}
	return float64(c.longest / time.Microsecond)
}

type soFar struct {
	Seconds  float64        `json:"seconds"`
	Statuses map[string]int `json:"statuses"`
	Lost     int            `json:"lost"`
}

func (c *counts) soFar(elapsed time.Duration) soFar {
	return soFar{Seconds: elapsed.Seconds(), Statuses: c.byStatus(), Lost: c.lost}
}

func (c *counts) byStatus() map[string]int {
	named := map[string]int{}
	for status, count := range c.statuses {
		named[strconv.Itoa(status)] = count
	}
	return named
}
