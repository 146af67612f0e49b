import type { ListMultipartUploadsOutput } from '@aws-sdk/client-s3';
import { mapOrdered } from '../map-ordered.js';
import { SourceError } from '../sources/source.js';
import { type Output, type OutputSpec, occupied, type PartWriter, SUCCESS, type WrittenPart } from './output.js';
import { S3Store } from './s3.js';
import { connectS3, parseS3, s3Error } from './s3-client.js';

/** Pieces of an upload: at least 5 MiB but for the last; there may be 10,000, so that later ones are larger. */
const PIECE_BYTES = 8 * 2 ** 20;
const PIECES_A_SIZE = 1000;
/** Requests of a commit at a time. */
const WIDTH = 8;

/**
 * A prefix of a bucket. Each part is a multipart upload, begun by its task and completed by the commit: until then there
 * is no object, and a job that fails, or a driver that is killed, leaves none. Uploads that are never completed cost
 * storage: the next save to the path ends them, and a lifecycle rule of the bucket should.
 *
 * S3 cannot replace many objects at once: whoever reads while a commit runs may see a part of them, without `_SUCCESS`.
 */
export class S3Output implements Output {
  readonly #bucket: string;
  /** Ends with `/`. */
  readonly #prefix: string;
  readonly #store: S3Store;

  constructor(readonly spec: OutputSpec) {
    const { bucket, key } = parseS3(spec.path);
    if (key.replaceAll('/', '') === '')
      throw new SourceError(`${spec.path}: save below a key, as s3://${bucket}/table`);
    this.#bucket = bucket;
    this.#prefix = `${key.replace(/\/+$/, '')}/`;
    this.#store = new S3Store(spec.storage.s3);
  }

  async begin(): Promise<void> {
    if (!this.spec.overwrite && (await this.#present()).length > 0) throw occupied(this.spec.path);
    await this.#endUploads();
  }

  async create(name: string): Promise<PartWriter> {
    const { s3, client } = await connectS3(this.spec.storage.s3);
    const target = { Bucket: this.#bucket, Key: `${this.#prefix}${name}` };
    const path = `s3://${this.#bucket}/${target.Key}`;
    const send = <T>(request: Promise<T>) =>
      request.catch((error) => {
        throw s3Error(path, error, 'written');
      });
    const { UploadId: id } = await send(client.send(new s3.CreateMultipartUploadCommand(target)));
    const tags: Promise<string>[] = [];
    let waiting: Uint8Array[] = [];
    let size = 0;
    let bytes = 0;
    const upload = async () => {
      const piece = Buffer.concat(waiting);
      [waiting, size] = [[], 0];
      await tags.at(-1); // one on the way while the next is filled
      const request = { ...target, UploadId: id, PartNumber: tags.length + 1, Body: piece };
      const tag = send(client.send(new s3.UploadPartCommand(request))).then(({ ETag }) => ETag!);
      tag.catch(() => {}); // met by whoever awaits it next
      tags.push(tag);
    };
    return {
      async write(chunk) {
        waiting.push(chunk);
        size += chunk.length;
        bytes += chunk.length;
        if (size >= PIECE_BYTES * 2 ** Math.floor(tags.length / PIECES_A_SIZE)) await upload();
      },
      async close() {
        if (size > 0 || tags.length === 0) await upload();
        return { name, bytes, id: id!, tags: await Promise.all(tags) };
      },
      async abort() {
        await Promise.allSettled(tags);
        await client.send(new s3.AbortMultipartUploadCommand({ ...target, UploadId: id })).catch(() => {});
      },
    };
  }

  async commit(parts: readonly WrittenPart[]): Promise<void> {
    const { s3, client } = await connectS3(this.spec.storage.s3);
    const old = new Set(await this.#present());
    const success = `${this.#prefix}${SUCCESS}`;
    const shown: string[] = [];
    try {
      if (old.has(success)) await this.#delete([success]);
      await mapOrdered(parts, WIDTH, async (part) => {
        shown.push(await this.#complete(part));
      });
    } catch (error) {
      // What replaced an old object of its name cannot be undone.
      await this.#delete(shown.filter((key) => !old.has(key))).catch(() => {});
      throw error;
    }
    await this.#delete([...old].filter((key) => key !== success && !shown.includes(key)));
    const marker = new s3.PutObjectCommand({ Bucket: this.#bucket, Key: success, Body: Buffer.alloc(0) });
    await client.send(marker).catch((error) => {
      throw s3Error(this.spec.path, error, 'written');
    });
    await this.#endUploads();
  }

  async abort(): Promise<void> {
    await this.#endUploads();
  }

  async #complete({ name, id, bytes, tags = [] }: WrittenPart): Promise<string> {
    const { s3, client } = await connectS3(this.spec.storage.s3);
    const Key = `${this.#prefix}${name}`;
    const Parts = tags.map((ETag, k) => ({ ETag, PartNumber: k + 1 }));
    const request = { Bucket: this.#bucket, Key, UploadId: id, MultipartUpload: { Parts } };
    try {
      await client.send(new s3.CompleteMultipartUploadCommand(request));
    } catch (error) {
      // The client asks again when an answer is lost, and is then told that the upload is no more.
      const object = await client.send(new s3.HeadObjectCommand({ Bucket: this.#bucket, Key })).catch(() => undefined);
      const done = (error as Error).name === 'NoSuchUpload' && object?.ContentLength === bytes;
      if (!done) throw s3Error(`s3://${this.#bucket}/${Key}`, error, 'completed');
    }
    return Key;
  }

  async #present(): Promise<string[]> {
    return (await this.#store.objects(this.spec.path, this.#bucket, this.#prefix)).map(({ key }) => key);
  }

  async #delete(keys: readonly string[]): Promise<void> {
    const { s3, client } = await connectS3(this.spec.storage.s3);
    for (let from = 0; from < keys.length; from += 1000) {
      const Objects = keys.slice(from, from + 1000).map((Key) => ({ Key }));
      const request = { Bucket: this.#bucket, Delete: { Objects, Quiet: true } };
      const { Errors = [] } = await client.send(new s3.DeleteObjectsCommand(request)).catch((error) => {
        throw s3Error(this.spec.path, error, 'cleared');
      });
      if (Errors[0])
        throw new SourceError(`s3://${this.#bucket}/${Errors[0].Key}: it cannot be deleted (${Errors[0].Code})`);
    }
  }

  /** Ends the uploads of parts of this prefix. */
  async #endUploads(): Promise<void> {
    const { s3, client } = await connectS3(this.spec.storage.s3);
    const uploads: { Key?: string; UploadId?: string }[] = [];
    let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (marker) {
      const page = await this.#uploadsFrom(marker);
      uploads.push(...(page.Uploads ?? []));
      marker = page.IsTruncated
        ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
        : undefined;
    }
    const parts = uploads.filter(({ Key }) => /^part-\d+[^/]*$/.test(Key!.slice(this.#prefix.length)));
    await mapOrdered(parts, WIDTH, async ({ Key, UploadId }) => {
      const request = { Bucket: this.#bucket, Key, UploadId };
      await client.send(new s3.AbortMultipartUploadCommand(request)).catch(() => {}); // its own task may have ended it
    });
  }

  async #uploadsFrom(marker: { KeyMarker?: string; UploadIdMarker?: string }): Promise<ListMultipartUploadsOutput> {
    const { s3, client } = await connectS3(this.spec.storage.s3);
    const request = { Bucket: this.#bucket, Prefix: this.#prefix, ...marker };
    return client.send(new s3.ListMultipartUploadsCommand(request)).catch((error) => {
      if (error?.$metadata?.httpStatusCode === 501) return {}; // a server that does not know them keeps them, unseen
      throw s3Error(this.spec.path, error, 'listed');
    });
  }
}
