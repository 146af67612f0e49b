import {
  encodeValue,
  type Handle,
  type LargeCapture,
  type ShippedFunction,
  shipFunction,
} from '../executor/closure/index.js';
import type { BlockRef, Blocks } from '../protocol/block.js';
import { type Persisted, STORAGE_LEVELS } from '../protocol/storage.js';
import type { ProgramRef } from '../protocol/task.js';
import { narrowParents } from '../scheduler/lineage.js';
import { type Stage, stageNodes } from '../scheduler/stages.js';
import type { AnyFunction } from '../scheduler/step.js';
import type { ShippedBroadcast } from './broadcast-task.js';
import type { ShippedFile } from './job-files.js';
import type { ShippedPersisted } from './persistence/persisted.js';
import type { ShippedNode, ShippedStage } from './stage-program.js';
import type { StorageSettings } from './storage/storage.js';

/** What every stage of an application travels with. */
export interface Shipping {
  /** The job's bundle, when it was submitted as one. */
  readonly bundle?: { readonly block: BlockRef; readonly file: string };
  /** Of `sheaf.files`. */
  readonly files: readonly ShippedFile[];
  readonly storage: StorageSettings;
  /** Number of executors there are now. */
  readonly executors: () => number;
  readonly warn: (text: string) => void;
  /** What large captured variables travel as. */
  readonly capture: (capture: LargeCapture, operator: string) => Handle;
  /** Brings the broadcasts that a stage's functions use to all hosts. */
  readonly distribute: (handles: Iterable<Handle>) => Promise<readonly ShippedBroadcast[]>;
}

/** Driver side of `stage-program`: ships a stage's functions and puts the stage into a block. */
export async function shipStage(
  stage: Stage,
  scope: string,
  name: string,
  blocks: Blocks,
  options: Shipping,
): Promise<ProgramRef> {
  const handles = new Set<Handle>();
  const ship: Ship = (fn, operator) => {
    const result = shipFunction(fn, {
      operator,
      onHandle: (handle) => handles.add(handle),
      share: (capture) => options.capture(capture, operator),
    });
    for (const { name, bytes } of result.large ?? [])
      options.warn(
        `${operator} captures "${name}" of ${(bytes / 2 ** 20).toFixed(1)} MiB: it travels with every stage that uses it`,
      );
    return result;
  };
  const nodes = stageNodes(stage).map((node): ShippedNode => {
    const { id, step, persisted, shuffle } = node;
    return {
      id,
      name: node.name,
      step: shipped(step, node.name, ship),
      parents: narrowParents(node).map((parent) => parent.id),
      ...(shuffle ? { shuffleId: shuffle.id } : {}),
      ...(persisted ? { persisted: shippedPersisted(persisted, options.executors()) } : {}),
    };
  });
  // Blocks that a stage leaves outlive the stage: its scope is the one above the program's.
  const owner = scope.slice(0, scope.lastIndexOf('/'));
  const terminal = shipped(stage.terminal, name, ship);
  const travelling: ShippedStage = {
    nodes,
    terminal,
    terminalName: name,
    scope: owner,
    bundle: options.bundle,
    files: options.files,
    storage: options.storage,
    broadcasts: await options.distribute(handles),
  };
  const parameters = await blocks.put(scope, scope, encodeValue(travelling), { code: true });
  const program = { module: 'rdd/stage-program', parameters };
  handlesOf.set(program, handles);
  return program;
}

/** A copy is wanted where there is somebody to hold it. */
function shippedPersisted(persisted: Persisted, executors: number): ShippedPersisted {
  return { ...persisted, replicate: executors > 1 && STORAGE_LEVELS[persisted.level].replicas > 1 };
}

/** Whoever runs a program holds it, and so what it needs: handles that nobody holds are dropped everywhere. */
const handlesOf = new WeakMap<ProgramRef, ReadonlySet<Handle>>();

type Ship = (fn: AnyFunction, operator: string) => ShippedFunction;

function shipped<T extends object>(step: T, name: string, ship: Ship): any {
  const entries = Object.entries(step).map(([key, value]) => {
    if (typeof value === 'function') return [key, ship(value, name)];
    return [key, key === 'source' ? readable(value) : value];
  });
  return Object.fromEntries(entries);
}

/** Of a source only what its reader needs; the driver's side of it stays. */
function readable({ module, options, batches }: { module: string; options: unknown; batches: boolean }) {
  return { module, options, batches };
}
