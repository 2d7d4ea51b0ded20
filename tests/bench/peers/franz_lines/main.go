// Command franz-lines is a baseline of `make bench`: net/http and franz-go, JSONL decoded and filtered by two fields.
//
// Written as for production: one shared client, all lines of a body handed over before any is waited for, bounded
// bodies, a 200 only after Kafka has all of them. What it does not have: limits, authentication, metrics, routing,
// draining.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	maxBody     = 8 << 20
	maxBuffered = 1_000_000 // records; with the default of 10,000 a hundred bodies would wait for room
)

// event has the fields that lines are filtered by.
type event struct {
	Status int    `json:"status"`
	Method string `json:"method"`
}

func (e *event) wanted() bool {
	return e.Status >= 400 && (e.Method == "GET" || e.Method == "POST")
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	brokers := flag.String("brokers", "127.0.0.1:9092", "bootstrap servers")
	topic := flag.String("topic", "events", "topic")
	linger := flag.Duration("linger", 0, "how long a batch gathers")
	flag.Parse()

	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(*brokers, ",")...),
		kgo.DefaultProduceTopic(*topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.ProducerLinger(*linger),
		kgo.MaxBufferedRecords(maxBuffered),
		kgo.RecordDeliveryTimeout(30*time.Second),
	)
	if err != nil {
		log.Fatal(err)
	}
	if err := client.Ping(context.Background()); err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: *listen, Handler: handler(client), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func handler(client *kgo.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /lines", func(answer http.ResponseWriter, request *http.Request) {
		body, err := read(answer, request)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		records, err := filter(body)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		if err := client.ProduceSync(request.Context(), records...).FirstErr(); err != nil {
			http.Error(answer, err.Error(), http.StatusServiceUnavailable)
			return
		}
		answer.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(answer, "{\"accepted\":%d}\n", len(records))
	})
	return mux
}

// read reads a request's body into memory of its size, where the size is known.
func read(answer http.ResponseWriter, request *http.Request) ([]byte, error) {
	limited := http.MaxBytesReader(answer, request.Body, maxBody)
	if request.ContentLength < 0 || request.ContentLength > maxBody {
		return io.ReadAll(limited)
	}
	body := make([]byte, request.ContentLength)
	_, err := io.ReadFull(limited, body)
	return body, err
}

// filter makes records of the lines that are wanted; a line that is no JSON refuses the body.
func filter(body []byte) ([]*kgo.Record, error) {
	values := make([]kgo.Record, 0, bytes.Count(body, []byte("\n"))+1)
	for line := range bytes.Lines(body) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			continue
		}
		var decoded event
		if err := json.Unmarshal(line, &decoded); err != nil {
			return nil, err
		}
		if decoded.wanted() {
			values = append(values, kgo.Record{Value: line})
		}
	}
	records := make([]*kgo.Record, len(values))
	for index := range values {
		records[index] = &values[index]
	}
	return records, nil
}
