import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { bytesOf } from '../../ps/float-bytes.js';
import { SourceError } from '../../rdd/sources/source.js';
import { localPath } from '../../rdd/storage/local.js';
import { openOutput } from '../../rdd/storage/output.js';
import { openStorage, type StorageSettings } from '../../rdd/storage/storage.js';
import { checkForms, FLAG, type Forms } from '../options.js';
import type { StageJson } from '../pipeline/stage.js';

/**
 * A fitted stage, or a pipeline of them, in a folder of its own:
 *
 * - `model.json`: format and version, the stage's JSON, and what the weights must be
 * - `weights.bin`: the flat weights of its networks one after the other, float32, little-endian
 *
 * Both are checked against their SHA-256 when they are read.
 */
export interface SavedStage {
  readonly json: StageJson;
  readonly weights: readonly Float32Array[];
}

export interface SaveModelOptions {
  /** Replace what is at the path. Default false. */
  readonly overwrite?: boolean;
  /** Where S3 is, when not where the environment says; credentials always come from there. */
  readonly storage?: StorageSettings;
}

export const SAVE_FORMS: Forms<SaveModelOptions> = {
  overwrite: FLAG,
  storage: [(value) => typeof value === 'object' && value !== null, 'an object with settings of s3'],
};

interface Header {
  readonly format: 'sheaf-model';
  readonly version: number;
  /** Version of the package that wrote it, for people. */
  readonly sheaf: string;
  /** SHA-256 of `JSON.stringify(model)`. */
  readonly sha256: string;
  readonly model: StageJson;
  readonly weights: { readonly file: string; readonly lengths: readonly number[]; readonly sha256: string };
}

const FORMAT = 'sheaf-model';
const VERSION = 1;
const HEADER = 'model.json';
const WEIGHTS = 'weights.bin';

/**
 * Writes the folder, all at once: it holds the old files or the new ones, whatever happens meanwhile.
 * @param path a local directory, or an S3 URL
 * @throws SourceError when the path holds something and `overwrite` is not set; TypeError for an option that is not known
 */
export async function writeModelFolder(
  path: string,
  { json, weights }: SavedStage,
  options: SaveModelOptions = {},
): Promise<void> {
  const { overwrite = false, storage } = checkForms('save', options, SAVE_FORMS);
  const bytes = Buffer.concat(weights.map(bytesOf));
  const lengths = weights.map(({ length }) => length);
  const header: Header = {
    ...{ format: FORMAT, version: VERSION, sheaf: packageVersion(), sha256: sha256(JSON.stringify(json)), model: json },
    weights: { file: WEIGHTS, lengths, sha256: sha256(bytes) },
  };
  const files = { [HEADER]: Buffer.from(`${JSON.stringify(header, null, 1)}\n`), [WEIGHTS]: bytes };
  await writeFolder(path, files, overwrite, storage);
}

/** Writes a folder of files, all at once. @throws SourceError when the path holds something and is not to be overwritten */
export async function writeFolder(
  path: string,
  files: Readonly<Record<string, Uint8Array>>,
  overwrite: boolean,
  storage: StorageSettings = {},
): Promise<void> {
  const output = await openOutput({ path: placeOf(path), save: randomBytes(8).toString('hex'), overwrite, storage });
  await output.begin();
  try {
    const parts = [];
    for (const [name, bytes] of Object.entries(files)) {
      const part = await output.create(name);
      await part.write(bytes);
      parts.push(await part.close());
    }
    await output.commit(parts);
  } catch (error) {
    await output.abort().catch(() => {}); // the first error says more
    throw error;
  }
}

/**
 * @param path a local directory, or an `s3://` or `http(s)://` URL
 * @throws SourceError naming the file that is missing, incomplete or changed, or of another format or a newer version
 */
export async function readModelFolder(path: string, storage: StorageSettings = {}): Promise<SavedStage> {
  const header = await readHeader(path, storage);
  const { file, lengths, sha256: expected } = header.weights;
  const place = join(path, file);
  const bytes = await read(place, storage).catch((error) => {
    throw new SourceError(`${path} is no whole model: its weights cannot be read. ${(error as Error).message}`);
  });
  const size = 4 * lengths.reduce((sum, length) => sum + length, 0);
  if (bytes.length !== size)
    throw new SourceError(`${place} has ${bytes.length} bytes instead of ${size}: copy the model anew`);
  const found = sha256(bytes);
  if (found !== expected)
    throw new SourceError(
      `${place} is damaged: its SHA-256 is ${found}, that of the saved weights ${expected}; copy the model anew`,
    );
  let at = 0;
  const weights = lengths.map((length) => {
    at += 4 * length;
    // A copy: bytes that were read need not begin at a multiple of 4.
    return new Float32Array(new Uint8Array(bytes.subarray(at - 4 * length, at)).buffer);
  });
  return { json: header.model, weights };
}

async function readHeader(path: string, storage: StorageSettings): Promise<Header> {
  const place = join(path, HEADER);
  const bytes = await read(place, storage).catch((error) => {
    throw new SourceError(`${path} is no saved model: ${HEADER} cannot be read. ${(error as Error).message}`);
  });
  let header: Partial<Header> | null;
  try {
    header = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new SourceError(`${place} is damaged: ${(error as Error).message}; copy the model anew`);
  }
  if (header?.format !== FORMAT)
    throw new SourceError(
      `${place} is not of a model that Sheaf saved: its format is ${JSON.stringify(header?.format)}`,
    );
  if (header.version !== VERSION)
    throw new SourceError(
      `${place} is of version ${header.version} of the format, saved by Sheaf ${header.sheaf}; this one (${packageVersion()}) reads version ${VERSION}`,
    );
  if (sha256(JSON.stringify(header.model)) !== header.sha256)
    throw new SourceError(`${place} is damaged: its content does not have the SHA-256 it was saved with`);
  return header as Header;
}

/** Where a path given by a user is: absolute, or a URL. */
export function placeOf(path: string): string {
  if (typeof path !== 'string' || path === '') throw new TypeError(`a model needs a path, not ${JSON.stringify(path)}`);
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(path) && !/^file:/i.test(path) ? path : resolve(localPath(path));
}

const join = (path: string, name: string) => `${placeOf(path).replace(/[\\/]+$/, '')}/${name}`;

async function read(path: string, storage: StorageSettings): Promise<Buffer> {
  if (isAbsolute(path) && !existsSync(path)) throw new SourceError(`${path}: no such file`); // of no concern to executors
  const pieces: Buffer[] = [];
  for await (const piece of openStorage(storage).openStream(path)) pieces.push(piece);
  return Buffer.concat(pieces);
}

const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');

/** Of this package: one folder up from `src` and `dist` alike. */
function packageVersion(): string {
  const url = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(url, 'utf8')) as { version: string }).version;
}
