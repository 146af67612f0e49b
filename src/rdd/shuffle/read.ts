import type { BlockRef, BlockSegment } from '../../protocol/block.js';
import type { TaskContext } from '../../protocol/program.js';
import type { MapOutput } from '../../scheduler/map-outputs.js';
import { decodeChunks } from '../chunk-codec.js';
import type { Chunks } from '../chunks.js';
import { slotMemory } from '../memory/slot-memory.js';

/** Bytes that a reader has asked other executors for and not yet handed on; Spark's spark.reducer.maxSizeInFlight. */
const IN_FLIGHT_BYTES = 48 * 2 ** 20;

/**
 * The chunks of one reduce partition, map output by map output. Later segments come while earlier ones are used.
 * @param range of the partition's segments. Default: all
 */
export async function* readShuffle(
  status: BlockRef,
  partition: number,
  context: TaskContext,
  range: readonly [from: number, to: number] = [0, Number.POSITIVE_INFINITY],
): Chunks {
  const outputs = await mapOutputs(status, context);
  const all = outputs.flatMap(({ block, segments }) => segments[partition]!.map((segment) => ({ block, segment })));
  const segments = all.slice(...range);
  const limit = Math.min(IN_FLIGHT_BYTES, slotMemory().budget / 8);
  const coming: { bytes: number; content: Promise<Buffer> }[] = [];
  let inFlight = 0;
  for (let next = 0; next < segments.length || coming.length > 0; ) {
    while (next < segments.length && (coming.length === 0 || inFlight + segments[next]!.segment.bytes <= limit)) {
      const { block, segment } = segments[next++]!;
      coming.push({ bytes: segment.bytes, content: fetched(block, segment, context) });
      inFlight += segment.bytes;
    }
    const { bytes, content } = coming.shift()!;
    const begun = performance.now();
    const chunks = decodeChunks(await content);
    context.metrics.fetchMs += performance.now() - begun;
    context.metrics.bytesIn += bytes;
    inFlight -= bytes;
    yield* chunks;
  }
}

function fetched(block: BlockRef, segment: BlockSegment, { blocks }: TaskContext): Promise<Buffer> {
  const content = blocks.get(block, segment);
  content.catch(() => {}); // told when its turn comes; the reader may have stopped before
  return content;
}

/** A slot's tasks of one stage read one status. */
async function mapOutputs(status: BlockRef, { blocks, residents }: TaskContext): Promise<readonly MapOutput[]> {
  const id = `map-status:${status.scope}:${status.id}`;
  const known = residents.get<readonly MapOutput[]>(id);
  return known ?? residents.set(id, status.scope, JSON.parse((await blocks.get(status)).toString()));
}
