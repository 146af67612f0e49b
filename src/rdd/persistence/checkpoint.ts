import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Json } from '../../protocol/json.js';
import type { DagScheduler } from '../../scheduler/dag-scheduler.js';
import type { LineageNode } from '../../scheduler/lineage.js';
import { shown } from '../arguments.js';

/** Where an application's checkpoints go: a directory of its own, so that applications share a parent. */
export interface CheckpointDirectory {
  readonly path: string;
}

/** Makes it, so that a mistake is told at once. @throws TypeError for what is no local path, Error when it cannot be made */
export function openCheckpointDirectory(path: unknown, app: string): CheckpointDirectory {
  if (typeof path !== 'string' || path === '')
    throw new TypeError(`setCheckpointDir needs the path of a directory, not ${shown(path)}`);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path))
    throw new TypeError(`setCheckpointDir needs a path that every executor sees as a directory, not the URL ${path}`);
  const directory = join(resolve(path), app);
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new Error(`the checkpoint directory ${directory} cannot be made: ${(error as Error).message}`);
  }
  return { path: directory };
}

/**
 * Saves all partitions of a node. Tasks write whole files under temporary names into a temporary directory; it gets its
 * name, and `_SUCCESS`, when all are there: half a checkpoint is never taken for one, and is removed.
 * @returns the directory, and its files in the order of partitions
 */
export async function writeCheckpoint(
  node: LineageNode,
  { path: root }: CheckpointDirectory,
  dag: DagScheduler,
): Promise<{ path: string; splits: Json[] }> {
  const path = join(root, `rdd-${node.id}`);
  const partial = `${path}.partial-${randomBytes(4).toString('hex')}`;
  mkdirSync(partial);
  try {
    const terminal = {
      kind: 'module',
      module: 'rdd/persistence/checkpoint-writer',
      parameters: { directory: partial },
    } as const;
    const files = await dag.run({ top: node, terminal, name: `checkpoint of ${node.name}` }, async (answer) => answer);
    writeFileSync(join(partial, '_SUCCESS'), '');
    renameSync(partial, path);
    return { path, splits: files };
  } catch (error) {
    // A task that still runs may write a file between the listing of the directory and its removal.
    rmSync(partial, { recursive: true, force: true, maxRetries: 10, retryDelay: 10 });
    throw error;
  }
}
