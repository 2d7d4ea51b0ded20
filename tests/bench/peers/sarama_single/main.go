// Command sarama-single is a baseline of `make bench`: net/http and sarama's SyncProducer, one event a request.
//
// Written as for production: one shared producer, sarama's own gathering while a request is in flight, bounded bodies,
// a 200 only after Kafka's answer. What it does not have: limits, authentication, metrics, routing, draining.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

const maxBody = 1 << 20

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address")
	brokers := flag.String("brokers", "127.0.0.1:9092", "bootstrap servers")
	topic := flag.String("topic", "events", "topic")
	codec := flag.String("compression", "lz4", "none, snappy, lz4 or zstd")
	linger := flag.Duration("linger", 0, "how long a batch gathers; 0: only while a request is in flight")
	flag.Parse()

	producer, err := sarama.NewSyncProducer(strings.Split(*brokers, ","), configuration(*codec, *linger))
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: *listen, Handler: handler(producer, *topic), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

func configuration(codec string, linger time.Duration) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewRandomPartitioner
	config.Producer.Flush.Frequency = linger
	config.Producer.MaxMessageBytes = maxBody
	config.ChannelBufferSize = 4096
	if err := config.Producer.Compression.UnmarshalText([]byte(codec)); err != nil {
		log.Fatal(err)
	}
	return config
}

func handler(producer sarama.SyncProducer, topic string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(answer http.ResponseWriter, _ *http.Request) { answer.WriteHeader(http.StatusOK) })
	mux.HandleFunc("POST /post", func(answer http.ResponseWriter, request *http.Request) {
		event, err := body(answer, request)
		if err != nil || !json.Valid(event) {
			http.Error(answer, `{"status":"error","message":"no JSON"}`, http.StatusBadRequest)
			return
		}
		message := &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(event)}
		partition, offset, err := producer.SendMessage(message)
		if err != nil {
			http.Error(answer, `{"status":"error","message":"not delivered"}`, http.StatusServiceUnavailable)
			return
		}
		write(answer, partition, offset)
	})
	return mux
}

// body reads a request's body into memory of its size, where the size is known.
func body(answer http.ResponseWriter, request *http.Request) ([]byte, error) {
	limited := http.MaxBytesReader(answer, request.Body, maxBody)
	if request.ContentLength < 0 || request.ContentLength > maxBody {
		return io.ReadAll(limited)
	}
	event := make([]byte, request.ContentLength)
	_, err := io.ReadFull(limited, event)
	return event, err
}

func write(answer http.ResponseWriter, partition int32, offset int64) {
	text := make([]byte, 0, 64)
	text = append(text, `{"status":"ok","partition":`...)
	text = strconv.AppendInt(text, int64(partition), 10)
	text = append(text, `,"Offset":`...)
	text = strconv.AppendInt(text, offset, 10)
	text = append(text, "}\n"...)
	answer.Header().Set("Content-Type", "application/json")
	_, _ = answer.Write(text)
}
