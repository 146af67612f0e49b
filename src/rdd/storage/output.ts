import { SourceError } from '../sources/source.js';
import type { StorageSettings } from './storage.js';

/**
 * A directory that a job fills, all at once. Tasks write parts that nobody sees; the driver shows the parts of the tasks
 * that won, and then `_SUCCESS`.
 *
 * Failure model: a task may run twice or die half-way: parts that are not named in `commit` never appear. A job that fails
 * is undone by `abort`. A driver that is killed leaves invisible parts, which the next `begin` for the path clears away.
 */
export interface Output {
  /** Driver, first. @throws SourceError when the path holds something and is not to be overwritten */
  begin(): Promise<void>;
  /** Task: a part of this name, as `part-00007.csv`. */
  create(name: string): Promise<PartWriter>;
  /** Driver: shows exactly these parts in place of what was there, and `_SUCCESS`. @throws SourceError when a part is gone; then nothing has changed */
  commit(parts: readonly WrittenPart[]): Promise<void>;
  /** Driver, after a failure: removes all that tasks have written. */
  abort(): Promise<void>;
}

export interface PartWriter {
  /** Resolves when more may be written. */
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<WrittenPart>;
  /** Discards what was written. */
  abort(): Promise<void>;
}

/** What the driver must know of a part to show it: JSON. */
export interface WrittenPart {
  readonly name: string;
  readonly bytes: number;
  /** The temporary file's name, or the multipart upload's id. */
  readonly id: string;
  /** Tags of the upload's pieces. */
  readonly tags?: readonly string[];
}

/** Travels to the tasks. */
export interface OutputSpec {
  /** Absolute, or an S3 URL. */
  readonly path: string;
  /** Names this save among all others of the path. */
  readonly save: string;
  readonly overwrite: boolean;
  readonly storage: StorageSettings;
}

/** @throws SourceError for a path that cannot be written to */
export async function openOutput(spec: OutputSpec): Promise<Output> {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(spec.path)?.[1]?.toLowerCase();
  if (scheme === undefined) return new (await import('./local-output.js')).LocalOutput(spec);
  if (scheme === 's3' || scheme === 's3a') return new (await import('./s3-output.js')).S3Output(spec);
  throw new SourceError(
    `${spec.path}: "${scheme}" is no storage that can be written to; give a local path or an s3:// URL`,
  );
}

/** Whoever reads it knows that the directory is whole. */
export const SUCCESS = '_SUCCESS';

export function occupied(path: string): SourceError {
  return new SourceError(`${path} exists already: save to another path, or replace it with { overwrite: true }`);
}
