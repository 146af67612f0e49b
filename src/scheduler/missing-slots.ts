import type { ExecutorInfo } from '../protocol/channel.js';
import { VERSION } from '../protocol/version.js';
import type { SlotDevice } from './slot-device.js';

/** Slots that were waited for in vain. */
export interface MissingSlots {
  readonly count: number;
  /** Undefined: of any kind. */
  readonly device: SlotDevice | undefined;
  /** Those there are, of any kind. */
  readonly slots: readonly { readonly device: SlotDevice }[];
  /** Executors of other versions of Sheaf. */
  readonly foreign: readonly ExecutorInfo[];
  readonly waitMs: number;
}

/**
 * What is missing, and what to do about the reason that holds: executors of other versions are named where they would have
 * been enough. Pure.
 */
export function missingText({ count, device, slots, foreign, waitMs }: MissingSlots): string {
  const fitting = (those: readonly { readonly device: SlotDevice }[]) =>
    those.filter((slot) => !device || slot.device === device).length;
  const found = fitting(slots);
  const [first, ...others] = foreign.filter((executor) => fitting(executor.slots) > 0);
  const enough = first && found + [first, ...others].reduce((sum, each) => sum + fitting(each.slots), 0) >= count;
  const more = others.length > 0 ? `; other versions also: ${others.map(({ id }) => id).join(', ')}` : '';
  const kind = device ? `${device.toUpperCase()} slots` : 'slots';
  const none = device ? `no executor with ${kind}` : 'no executor';
  const which = found > 0 ? `only ${found} of ${count} ${kind}` : none;
  // More executors would be waited for in vain: their first slots are their GPUs'.
  const allGpus = device === 'cpu' && found === 0 && slots.length > 0;
  const gpus = device === 'gpu' ? ' --gpus auto' : '';
  const start = `start one with "sheaf executor --master URL${gpus}"`;
  const advice = allGpus ? 'every slot is a GPU slot: give more slots, or fewer GPUs (sheaf.executor.gpus)' : start;
  return `${which} joined within ${waitMs / 1000} s: ${enough ? `${foreignText(first)}${more}` : advice}`;
}

/** What is wrong with an executor of another version. */
export function foreignText({ id, hostname, version }: ExecutorInfo): string {
  const theirs = version ? `is Sheaf ${version}` : 'is an older Sheaf';
  return `executor ${id} on ${hostname} ${theirs}, this driver ${VERSION}: it gets no tasks; install the same on all machines and start it again`;
}
