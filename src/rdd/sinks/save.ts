import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Json } from '../../protocol/json.js';
import { shown } from '../arguments.js';
import type { RddBase } from '../operators/base.js';
import { localPath } from '../storage/local.js';
import { openOutput, type WrittenPart } from '../storage/output.js';
import { storageSettings } from '../storage/settings.js';
import { type FormatName, type FormatOptions, loadFormat } from './format.js';
import type { SaveParameters } from './save-task.js';

export interface SaveOptions {
  /** Replace what is at the path. The old files stay readable until the new ones are whole. Default false. */
  readonly overwrite?: boolean;
  /** For lines of text. Default: none. */
  readonly compression?: 'gzip';
}

/** What a save has written. */
export interface Saved {
  /** Part files, without `_SUCCESS`. */
  readonly files: number;
  readonly bytes: number;
}

/**
 * Saves an RDD as a directory of part files, one a partition, all at once: see `Output`.
 * @param path a local directory that all hosts share, or an S3 URL
 * @param name of the operator and where it was called
 * @param schema of a table, encoded, where it is known
 * @throws SourceError when the path holds something and `overwrite` is not set, before any task runs
 */
export async function save(
  rdd: RddBase<any>,
  format: FormatName,
  path: string,
  { overwrite = false, compression }: SaveOptions,
  options: FormatOptions,
  name: string,
  schema?: string,
): Promise<Saved> {
  if (typeof path !== 'string' || path === '') throw new TypeError(`${name} needs a path, not ${shown(path)}`);
  if (compression !== undefined && compression !== 'gzip')
    throw new TypeError(`${name}: the compression must be 'gzip', not ${shown(compression)}`);
  const gzip = compression !== undefined;
  const { compressible } = await loadFormat(format);
  if (gzip && !compressible) throw new TypeError(`${name}: ${format} files have a compression of their own`);
  const { context } = rdd;
  const place = /^[a-z][a-z0-9+.-]+:\/\//i.test(path) && !/^file:/i.test(path) ? path : resolve(localPath(path));
  const id = randomBytes(8).toString('hex');
  const spec = { path: place, save: id, overwrite, storage: storageSettings(context.conf) };
  const output = await openOutput(spec);
  await output.begin();
  try {
    const parameters: SaveParameters = { format, options, gzip, output: spec, name, schema };
    const terminal = {
      kind: 'module',
      module: 'rdd/sinks/save-task',
      parameters: parameters as unknown as Json,
    } as const;
    const answers = await context.runJob({ top: rdd.node, terminal, name }, async (answer) => answer);
    const parts = answers.filter((answer) => answer !== null) as unknown as WrittenPart[];
    await output.commit(parts);
    return { files: parts.length, bytes: parts.reduce((sum, part) => sum + part.bytes, 0) };
  } catch (error) {
    await output.abort().catch(() => {}); // the first error says more
    throw error;
  }
}
