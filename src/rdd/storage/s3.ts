import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import picomatch from 'picomatch';
import { SourceError } from '../sources/source.js';
import { byCodeUnit, isHidden, isHiddenFrom, isPattern, literalFolder } from './names.js';
import { connectS3, parseS3, s3Error } from './s3-client.js';
import type { FileEntry, StorageSettings, Store } from './storage.js';

/** How often in a row a body may break off before a byte has come. */
const MAX_BREAKS = 4;
const BREAK_MS = 250;

/**
 * Objects of S3 and of servers that speak its protocol. A path without an object of that key is a directory: all objects
 * below `key/`. Requests are tried again by the vendor's client; a body that breaks off is continued here where it ended,
 * if the object is still the same.
 */
export class S3Store implements Store {
  constructor(readonly settings: StorageSettings['s3']) {}

  async list(path: string, inDirectory: RegExp): Promise<FileEntry[]> {
    const { bucket, key } = parseS3(path);
    const file = key === '' ? undefined : await this.#head(path);
    if (file) return [file];
    if (isPattern(key)) return this.#matches(path, bucket, key);
    const folder = key === '' || key.endsWith('/') ? key : `${key}/`;
    const below = await this.objects(path, bucket, folder);
    const visible = below.filter((object) => !object.key.slice(folder.length).split('/').some(isHidden));
    if (below.length === 0) throw new SourceError(`${path}: no such object, and no objects below ${folder || 'it'}`);
    const fitting = visible
      .filter((object) => inDirectory.test(object.key))
      .map(({ key, bytes }) => entry(bucket, key, bytes));
    if (fitting.length === 0)
      throw new SourceError(`${path}: the directory holds no file whose name fits ${inDirectory}`);
    return fitting.sort((a, b) => byCodeUnit(a.path, b.path));
  }

  async readRange(path: string, start: number, end: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const bytes of this.openStream(path, start, end)) parts.push(bytes);
    return Buffer.concat(parts);
  }

  async *openStream(path: string, start = 0, end = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
    let at = start;
    let tag: string | undefined;
    for (let breaks = 0; at < end; ) {
      const body = await this.#get(path, at, end, tag);
      if (!body) return;
      tag = body.tag;
      try {
        for await (const bytes of body.stream as AsyncIterable<Buffer>) {
          at += bytes.length;
          breaks = 0;
          yield bytes;
        }
        return;
      } catch (error) {
        if (++breaks > MAX_BREAKS) throw s3Error(path, error);
        await sleep(BREAK_MS * 2 ** breaks);
      } finally {
        body.stream.destroy();
      }
    }
  }

  /** Every object whose key begins with `prefix`. @param path for messages */
  async objects(path: string, bucket: string, prefix: string): Promise<{ key: string; bytes: number }[]> {
    const { s3, client } = await connectS3(this.settings);
    const found: { key: string; bytes: number }[] = [];
    try {
      for await (const page of s3.paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix }))
        for (const { Key: key, Size: bytes } of page.Contents ?? [])
          if (key && !key.endsWith('/')) found.push({ key, bytes: bytes ?? 0 });
    } catch (error) {
      throw s3Error(path, error, 'listed');
    }
    return found;
  }

  async #matches(path: string, bucket: string, pattern: string): Promise<FileEntry[]> {
    const folder = literalFolder(pattern);
    const matches = picomatch(pattern, { dot: false });
    const found = (await this.objects(path, bucket, folder))
      .filter(({ key }) => matches(key) && !isHiddenFrom(pattern, key))
      .map(({ key, bytes }) => entry(bucket, key, bytes));
    if (found.length === 0)
      throw new SourceError(`${path}: the pattern matches no object below s3://${bucket}/${folder}`);
    return found.sort((a, b) => byCodeUnit(a.path, b.path));
  }

  /** The object of exactly this key; undefined without one. */
  async #head(path: string): Promise<FileEntry | undefined> {
    const { s3, client } = await connectS3(this.settings);
    const { bucket, key } = parseS3(path);
    try {
      const { ContentLength = 0 } = await client.send(new s3.HeadObjectCommand({ Bucket: bucket, Key: key }));
      return key.endsWith('/') ? undefined : entry(bucket, key, ContentLength);
    } catch (error) {
      const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
      // Whoever may list but not read gets 403 for what is not there; the listing then says more.
      if (status === 404 || status === 403) return undefined;
      throw s3Error(path, error);
    }
  }

  /** Undefined when the object ends before `start`. */
  async #get(path: string, start: number, end: number, tag: string | undefined) {
    const { s3, client } = await connectS3(this.settings);
    const { bucket, key } = parseS3(path);
    const range =
      start > 0 || Number.isFinite(end) ? `bytes=${start}-${Number.isFinite(end) ? end - 1 : ''}` : undefined;
    try {
      const found = await client.send(
        new s3.GetObjectCommand({ Bucket: bucket, Key: key, Range: range, IfMatch: tag }),
      );
      return { stream: found.Body as Readable, tag: found.ETag };
    } catch (error) {
      const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
      if (status === 416) return undefined;
      if (status === 412)
        throw new SourceError(`${path}: the object was replaced while it was read; run the job again`);
      throw s3Error(path, error);
    }
  }
}

const entry = (bucket: string, key: string, bytes: number): FileEntry => ({
  path: `s3://${bucket}/${key}`,
  bytes,
  seekable: true,
});
