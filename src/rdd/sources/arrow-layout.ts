import { Message, MessageReader, type Schema } from 'apache-arrow';
import { type FileBlock, Footer } from 'apache-arrow/ipc/metadata/file';
import type { FileEntry, Storage } from '../storage/storage.js';
import { SourceError } from './source.js';

/** Bytes `start` to `end` of a file. */
export type Range = readonly [start: number, end: number];

/** Where the messages of an Arrow file or stream lie. */
export interface ArrowLayout {
  readonly schema: Schema;
  /** Of dictionaries and record batches, in the order in which a stream has them. */
  readonly messages: readonly { readonly range: Range; readonly batch: boolean }[];
}

const MAGIC = 'ARROW1';
const TAIL = 4 + MAGIC.length;

/**
 * Reads where an IPC file's or stream's messages lie: a file's footer, or the head of each message of a stream.
 * @throws SourceError when it is neither
 */
export async function arrowLayout({ path, bytes }: FileEntry, storage: Storage): Promise<ArrowLayout> {
  const tail = await storage.readRange(path, Math.max(0, bytes - TAIL), bytes);
  if (tail.toString('latin1', 4) === MAGIC && bytes > 2 * TAIL)
    return footerLayout(path, bytes, tail.readInt32LE(0), storage);
  const head = (await storage.readRange(path, 0, 8)).toString('latin1');
  if (head.startsWith(MAGIC)) throw new SourceError(`${path}: the Arrow file is cut off: its footer is missing`);
  if (head.startsWith('FEA1'))
    throw new SourceError(`${path}: Feather version 1 cannot be read; write it again as Arrow IPC (Feather 2)`);
  return streamLayout(path, bytes, storage);
}

async function footerLayout(path: string, bytes: number, length: number, storage: Storage): Promise<ArrowLayout> {
  const footerStart = bytes - TAIL - length;
  if (length <= 0 || footerStart < 8) throw broken(path, 'its footer has a length that cannot be');
  const footer = Footer.decode(await storage.readRange(path, footerStart, bytes - TAIL));
  const range = ({ offset, metaDataLength, bodyLength }: FileBlock): Range => [
    offset,
    offset + metaDataLength + bodyLength,
  ];
  const dictionaries = [...footer.dictionaryBatches()].map((block) => ({ range: range(block), batch: false }));
  const batches = [...footer.recordBatches()].map((block) => ({ range: range(block), batch: true }));
  const messages = [...dictionaries, ...batches];
  return { schema: footer.schema, messages };
}

async function streamLayout(path: string, bytes: number, storage: Storage): Promise<ArrowLayout> {
  const messages: { range: Range; batch: boolean }[] = [];
  let schema: Schema | undefined;
  for (let at = 0; at < bytes; ) {
    const start = at;
    const head = await storage.readRange(path, at, at + 8);
    if (head.length < 4) throw broken(path, 'it ends within a message');
    const marked = head.readInt32LE(0) === -1;
    const length = marked ? head.readInt32LE(4) : head.readInt32LE(0);
    if (length === 0) break;
    at += marked ? 8 : 4;
    if (length < 0 || at + length > bytes)
      throw broken(path, schema ? 'it ends within a message' : 'it is no Arrow file or stream');
    const message = decoded(path, await storage.readRange(path, at, at + length));
    at += length + message.bodyLength;
    if (at > bytes) throw broken(path, 'it ends within a message');
    if (message.isSchema()) schema = new MessageReader(await storage.readRange(path, start, at)).readSchema(true);
    else messages.push({ range: [start, at], batch: message.isRecordBatch() });
  }
  if (!schema) throw broken(path, bytes === 0 ? 'it is empty' : 'it is no Arrow file or stream');
  return { schema, messages };
}

function decoded(path: string, bytes: Buffer): Message {
  try {
    return Message.decode(bytes);
  } catch (error) {
    throw broken(path, 'it is no Arrow file or stream', error);
  }
}

const broken = (path: string, why: string, cause?: unknown) =>
  new SourceError(`${path}: the Arrow data cannot be read: ${why}`, { cause });
