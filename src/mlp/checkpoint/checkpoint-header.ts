import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Consistency } from '../../ps/server/consistency.js';
import type { Builds } from '../builds.js';
import type { NumericalPlan } from '../numerical-plan.js';
import type { PaceState } from '../pace.js';
import { planDifferences } from './plan-differences.js';

/** Name of the header's file. */
export const HEADER = 'checkpoint.json';

/** Where a training stands. With the plan, whose randomness is keyed, this and the state are all that it goes on from. */
export interface Cursor {
  /** Updates made; epoch and step of the epoch follow from the plan. */
  readonly step: number;
  /** Mean loss of each epoch that is over. */
  readonly losses: readonly number[];
  /** Sums over the steps of the epoch at hand. */
  readonly partial: { readonly rows: number; readonly weight: number; readonly lossSum: number };
  /** Where it is not the plan alone that says epoch, batch and rate: what else does. */
  readonly pace?: PaceState;
  /** Of each epoch that is over, where the noise of gradients is measured. */
  readonly measured?: readonly EpochMeasure[];
  /** That a callback has set, if one has. */
  readonly consistency?: Consistency;
}

/** JSON has no Infinity: null is one. */
export interface EpochMeasure {
  readonly batch: number;
  readonly noiseScale: number | null;
}

/** What a state was computed from, besides the plan, and by what. */
export interface Origin {
  /** Of the training rows in the order of their shards: SHA-256 over each shard's checksum. */
  readonly input: string;
  /** That computed its last updates. */
  readonly builds: Builds;
  /** The same for people. */
  readonly backend: string;
}

/** What computed it is absent in those of earlier versions. */
export interface Checkpoint extends Cursor, Pick<Origin, 'input'>, Partial<Omit<Origin, 'input'>> {
  readonly plan: NumericalPlan;
}

/** What `checkpoint.json` holds: the cursor, and the files beside it with their checksums. */
export interface Header {
  readonly format: 'sheaf-checkpoint';
  readonly version: 1;
  readonly checkpoint: Checkpoint;
  readonly parts: readonly {
    readonly file: string;
    readonly from: number;
    readonly to: number;
    readonly sha256: string;
  }[];
  readonly workers?: readonly { readonly shard: number; readonly file: string; readonly sha256: string }[];
  /** By rank. */
  readonly residuals?: readonly { readonly file: string; readonly sha256: string }[];
}

/** @throws Error saying what `path` is instead of a header */
export function parsedHeader(text: string, path: string): Header {
  let header: Header | undefined;
  try {
    header = JSON.parse(text) as Header;
  } catch {
    // Said below.
  }
  if (header?.format !== 'sheaf-checkpoint') throw new Error(`${path} is not the header of a checkpoint`);
  if (header.version !== 1) throw new Error(`${path} has version ${header.version}; this version of Sheaf reads 1`);
  return header;
}

const ANEW = "begin anew, with another path or resume: 'never'";
const FURTHER =
  'or train further: fit with the former options gives the model, and a fit with another path and warmStart: model goes on from its weights';

/**
 * Why a training cannot go on from a checkpoint, and what to do: undefined when it can.
 * @param input of the training at hand
 */
export function obstacle(checkpoint: Checkpoint, plan: NumericalPlan, input: string): string | undefined {
  if (checkpoint.plan.hash !== plan.hash) {
    const list = planDifferences(checkpoint.plan, plan).join(', ') || 'another version of Sheaf made it';
    const further = isDeepStrictEqual(checkpoint.plan.network, plan.network) ? `; ${FURTHER}` : '';
    return `the numerical plan has changed: ${list}; ${ANEW}${further}`;
  }
  if (checkpoint.input !== input)
    return `the training rows are not those it was written for (values, labels or order); ${ANEW}`;
  return undefined;
}

/** Whether both are of one state. Losses tell apart courses of one plan: updates that do not wait for each other make others each time. */
export function isSameState(stored: Checkpoint, { plan, input, step, losses }: Checkpoint): boolean {
  const same = stored.step === step && isDeepStrictEqual(stored.losses, JSON.parse(JSON.stringify(losses)));
  return same && obstacle(stored, plan, input) === undefined;
}

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
