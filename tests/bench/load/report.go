package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

const ticksPerSecond = 100 // USER_HZ: the same on every Linux that Go runs on

// machine is what the kernel has counted so far.
type machine struct {
	at      time.Time
	busy    []float64
	network []float64
	total   []float64
	stolen  []float64
	process float64
	load    float64
}

func readMachine(pid int) machine {
	read := machine{at: time.Now()}
	content, _ := os.ReadFile("/proc/stat")
	for line := range strings.Lines(string(content)) {
		words := strings.Fields(line)
		if len(words) < 9 || !strings.HasPrefix(words[0], "cpu") || words[0] == "cpu" {
			continue
		}
		var total, idle, network, stolen float64
		for index, word := range words[1:9] { // guest time is part of user time already
			ticks, _ := strconv.ParseFloat(word, 64)
			if index == 7 { // the host gave it to others: what the core would have done in it nobody knows
				stolen += ticks
				continue
			}
			total += ticks
			if index == 3 || index == 4 { // idle, waiting for disks
				idle += ticks
			}
			if index == 5 || index == 6 { // interrupts: on loopback, what the kernel does for connections
				network += ticks
			}
		}
		read.busy = append(read.busy, total-idle)
		read.network = append(read.network, network)
		read.total = append(read.total, total)
		read.stolen = append(read.stolen, stolen)
	}
	read.process = processSeconds(pid)
	read.load = processSeconds(os.Getpid())
	return read
}

func processSeconds(pid int) float64 {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil || pid == 0 {
		return 0
	}
	words := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
	user, _ := strconv.ParseFloat(string(words[11]), 64)
	system, _ := strconv.ParseFloat(string(words[12]), 64)
	return (user + system) / ticksPerSecond
}

type report struct {
	soFar
	SendingSeconds float64   `json:"sendingSeconds"`
	Sent           int       `json:"sent"`
	Unanswered     int       `json:"unanswered"`
	Reopened       int       `json:"reopened"`
	BehindSeconds  float64   `json:"behindSeconds"`
	Busy           []float64 `json:"busy"`
	Network        []float64 `json:"network"`
	Stolen         []float64 `json:"stolen"`
	ProcessSeconds float64   `json:"processSeconds"`
	LoadSeconds    float64   `json:"loadSeconds"`
	MeanMicros     float64   `json:"meanMicros"`
	P50Micros      float64   `json:"p50Micros"`
	P90Micros      float64   `json:"p90Micros"`
	P99Micros      float64   `json:"p99Micros"`
	MaxMicros      float64   `json:"maxMicros"`
}

func (l *load) report(before, after machine) report {
	made := report{
		soFar:          l.counts.soFar(l.last.Sub(l.began)),
		SendingSeconds: after.at.Sub(before.at).Seconds(),
		Sent:           l.sent,
		Unanswered:     l.counts.unanswered,
		Reopened:       l.counts.reopened,
		ProcessSeconds: after.process - before.process,
		LoadSeconds:    after.load - before.load,
		P50Micros:      l.counts.quantile(0.5),
		P90Micros:      l.counts.quantile(0.9),
		P99Micros:      l.counts.quantile(0.99),
		MaxMicros:      float64(l.counts.longest / time.Microsecond),
	}
	if l.counts.answered > 0 {
		made.MeanMicros = float64(l.counts.sum/time.Microsecond) / float64(l.counts.answered)
	}
	if l.rate > 0 {
		made.BehindSeconds = max(0, after.at.Sub(l.due).Seconds())
	}
	for core := range after.busy {
		total := max(after.total[core]-before.total[core], 1)
		stolen := after.stolen[core] - before.stolen[core]
		made.Busy = append(made.Busy, (after.busy[core]-before.busy[core])/total)
		made.Network = append(made.Network, (after.network[core]-before.network[core])/total)
		made.Stolen = append(made.Stolen, stolen/(total+stolen))
	}
	return made
}
