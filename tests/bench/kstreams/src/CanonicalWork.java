import com.sun.management.OperatingSystemMXBean;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.util.Utf8;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The canonical work on Kafka Streams: one thread, exactly once, in-memory store with changelog, no
 * cache, a commit every 100 ms. Prints one line of JSON per stretch of records: the first is cold,
 * the last is warm.
 *
 * <p>Arguments: bootstrap, input topic, output topic, application id, state directory, file with
 * the two schemas (a line each), names of the event types in the order of their bits, names of the
 * wanted types, and the record numbers at which a stretch ends.
 */
public final class CanonicalWork {
  private static final int HEADER = 5;
  private static final byte[] OUT_HEADER = {0, 0, 0, 0, 2};
  private static final String STORE = "tallies";

  /** Time and CPU of this process when so many records had been seen. */
  private record Mark(long records, double wall, double cpu) {}

  private static final List<Mark> MARKS = new ArrayList<>();
  private static final CountDownLatch SEEN = new CountDownLatch(1);

  private static Mark mark(long records) {
    var system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    return new Mark(records, System.nanoTime() / 1e9, system.getProcessCpuTime() / 1e9);
  }

  /** Keeps the tally of each chain and forwards a record for each wanted event. */
  private static final class Tally implements Processor<byte[], byte[], byte[], byte[]> {
    private final Map<Utf8, Integer> bits;
    private final int wanted;
    private final long[] stretches;
    private final int id;
    private final int type;
    private final int time;
    private final int chain;
    private final int mass;
    private final GenericDatumReader<GenericRecord> reader;
    private final GenericDatumWriter<GenericRecord> writer;
    private final GenericRecord out;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream(256);
    private static long records;
    private static int stretch;
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> store;
    private BinaryDecoder decoder;
    private BinaryEncoder encoder;
    private GenericRecord event;

    Tally(Schema in, Schema made, Map<Utf8, Integer> bits, int wanted, long[] stretches) {
      this.bits = bits;
      this.wanted = wanted;
      this.stretches = stretches;
      reader = new GenericDatumReader<>(in);
      writer = new GenericDatumWriter<>(made);
      out = new GenericData.Record(made);
      id = in.getField("event_id").pos();
      type = in.getField("event_type").pos();
      time = in.getField("event_time").pos();
      chain = in.getField("chain_id").pos();
      mass = in.getField("mass_kg").pos();
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
      context = given;
      store = given.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      if (records++ == 0) {
        MARKS.add(mark(0));
      }
      try {
        take(record);
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      if (stretch < stretches.length && records == stretches[stretch]) {
        if (++stretch == stretches.length) {
          SEEN.countDown();
        } else {
          MARKS.add(mark(records));
        }
      }
    }

    private void take(Record<byte[], byte[]> record) throws IOException {
      byte[] value = record.value();
      decoder = DecoderFactory.get().binaryDecoder(value, HEADER, value.length - HEADER, decoder);
      event = reader.read(event, decoder);
      int bit = bits.get((Utf8) event.get(type));
      long at = (Long) event.get(time);
      Double moved = (Double) event.get(mass);
      long count = 1;
      long last = at;
      double sum = moved == null ? 0.0 : moved;
      int seen = bit;
      byte[] before = store.get(record.key());
      if (before != null) {
        ByteBuffer kept = ByteBuffer.wrap(before);
        count += kept.getLong();
        last = Math.max(last, kept.getLong());
        sum = kept.getDouble() + sum;
        seen |= kept.getInt();
      }
      ByteBuffer after = ByteBuffer.allocate(28);
      after.putLong(count).putLong(last).putDouble(sum).putInt(seen);
      store.put(record.key(), after.array());
      if ((bit & wanted) != 0) {
        forward(record, count, at, sum);
      }
    }

    private void forward(Record<byte[], byte[]> record, long count, long at, double sum)
        throws IOException {
      out.put("event_id", event.get(id));
      out.put("chain_id", event.get(chain));
      out.put("event_type", event.get(type));
      out.put("event_time", at);
      out.put("count", count);
      out.put("mass_kg", sum);
      bytes.reset();
      bytes.write(OUT_HEADER);
      encoder = EncoderFactory.get().binaryEncoder(bytes, encoder);
      writer.write(out, encoder);
      encoder.flush();
      context.forward(record.withValue(bytes.toByteArray()));
    }
  }

  private static Properties settings(String bootstrap, String application, String state) {
    var found = new Properties();
    found.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    found.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
    found.put(StreamsConfig.STATE_DIR_CONFIG, state);
    found.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    found.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    found.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    found.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    found.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
    found.put(StreamsConfig.producerPrefix("compression.type"), "lz4");
    return found;
  }

  private static long committed(Admin admin, String application) throws Exception {
    var offsets = admin.listConsumerGroupOffsets(application).partitionsToOffsetAndMetadata();
    return offsets.get().values().stream().mapToLong(one -> one == null ? 0 : one.offset()).sum();
  }

  private static String peak() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return line.replaceAll("\\D", "");
      }
    }
    return "0";
  }

  private static void tell() throws IOException {
    for (int at = 1; at < MARKS.size(); at++) {
      Mark from = MARKS.get(at - 1);
      Mark to = MARKS.get(at);
      System.out.printf(
          Locale.ROOT,
          "{\"from\": %d, \"events\": %d, \"wall_s\": %.3f, \"cpu_s\": %.3f, \"rss_kb\": %s}%n",
          from.records(), to.records() - from.records(), to.wall() - from.wall(),
          to.cpu() - from.cpu(), peak());
    }
  }

  public static void main(String[] args) throws Exception {
    String bootstrap = args[0];
    String application = args[3];
    List<String> schemas = Files.readAllLines(Path.of(args[5]));
    Schema in = new Schema.Parser().parse(schemas.get(0));
    Schema made = new Schema.Parser().parse(schemas.get(1));
    Map<Utf8, Integer> bits = new HashMap<>();
    for (String name : args[6].split(",")) {
      bits.put(new Utf8(name), 1 << bits.size());
    }
    int wanted = 0;
    for (String name : args[7].split(",")) {
      wanted |= bits.get(new Utf8(name));
    }
    String[] told = args[8].split(",");
    long[] stretches = new long[told.length];
    for (int at = 0; at < told.length; at++) {
      stretches[at] = Long.parseLong(told[at]);
    }
    int mask = wanted;
    var topology = new Topology();
    topology.addSource("in", new ByteArrayDeserializer(), new ByteArrayDeserializer(), args[1]);
    topology.addProcessor("tally", () -> new Tally(in, made, bits, mask, stretches), "in");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
                Stores.inMemoryKeyValueStore(STORE), Serdes.ByteArray(), Serdes.ByteArray())
            .withCachingDisabled()
            .withLoggingEnabled(Map.of()),
        "tally");
    topology.addSink(
        "out", args[2], new ByteArraySerializer(), new ByteArraySerializer(), "tally");
    var streams = new KafkaStreams(topology, settings(bootstrap, application, args[4]));
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      streams.start();
      while (!SEEN.await(5, TimeUnit.MILLISECONDS)) {
        if (streams.state() == KafkaStreams.State.ERROR) {
          throw new IllegalStateException("Kafka Streams has ended in an error");
        }
      }
      long last = stretches[stretches.length - 1];
      while (committed(admin, application) < last) {
        Thread.sleep(5);
      }
      MARKS.add(mark(last));
    }
    tell();
    streams.close(Duration.ofSeconds(10));
    System.exit(0);
  }
}
