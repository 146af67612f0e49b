import { crc32 } from 'node:zlib';
import type { BlockSegment } from '../../protocol/block.js';
import type { TaskContext } from '../../protocol/program.js';
import type { MapOutput } from '../../scheduler/map-outputs.js';
import { bytesOf, encodeChunks } from '../chunk-codec.js';
import { type Chunk, chunkLength } from '../chunks.js';
import { type SpilledRun, SpillFile } from './spill-file.js';

/** Encoded chunks of one reduce partition, in memory or in the spill file. */
interface Piece {
  readonly bytes: number;
  readonly crc32: number;
  readonly content: readonly Uint8Array[] | SpilledRun;
}

/** Readers fetch whole segments: none holds more rows than this. */
const SEGMENT_ROWS = 1 << 18;

/** Gathers what a map task leaves for each reduce partition; in the end it is one block, with its segments. */
export class MapOutputWriter implements Disposable {
  readonly #pieces: Piece[][];
  readonly #spill: SpillFile;

  constructor(
    readonly partitions: number,
    readonly context: TaskContext,
  ) {
    this.#pieces = Array.from({ length: partitions }, () => []);
    this.#spill = new SpillFile(context);
  }

  /** @param toDisk the chunks' memory is needed */
  append(partition: number, chunks: readonly Chunk[], toDisk = false): void {
    for (const run of runs(chunks)) {
      const parts = encodeChunks(run);
      const bytes = bytesOf(parts);
      if (bytes === 0) continue;
      const crc = parts.reduce((crc, part) => crc32(part, crc), 0);
      this.#pieces[partition]!.push({ bytes, crc32: crc, content: toDisk ? this.#spill.appendBytes(parts) : parts });
    }
  }

  async finish(id: string, scope: string): Promise<MapOutput> {
    const begun = performance.now();
    let offset = 0;
    const segments = this.#pieces.map((pieces) =>
      pieces.map(({ bytes, crc32 }): BlockSegment => {
        offset += bytes;
        return { offset: offset - bytes, bytes, crc32 };
      }),
    );
    const { metrics, blocks } = this.context;
    const block = await blocks.put(id, scope, { [Symbol.iterator]: () => this.#contents() }, { bytes: offset });
    metrics.writeMs += performance.now() - begun;
    metrics.bytesOut += block.bytes;
    return { block, segments };
  }

  *#contents(): Generator<Uint8Array> {
    for (const { content } of this.#pieces.flat())
      if ('offset' in content) yield this.#spill.readBytes(content);
      else yield* content;
  }

  [Symbol.dispose](): void {
    this.#spill[Symbol.dispose]();
  }
}

/** Chunks that make a segment together; long columns are cut. */
function* runs(chunks: readonly Chunk[]): Generator<Chunk[]> {
  let run: Chunk[] = [];
  let rows = 0;
  for (const chunk of chunks)
    for (let from = 0; from < chunkLength(chunk); from += SEGMENT_ROWS) {
      const whole = chunkLength(chunk) <= SEGMENT_ROWS;
      run.push(whole ? chunk : (chunk.slice(from, Math.min(from + SEGMENT_ROWS, chunkLength(chunk))) as Chunk));
      rows += Math.min(SEGMENT_ROWS, chunkLength(chunk) - from);
      if (rows < SEGMENT_ROWS) continue;
      yield run;
      run = [];
      rows = 0;
    }
  if (run.length > 0) yield run;
}
