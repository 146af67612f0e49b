import type { Algorithm } from './plan.js';

/** What an all-reduce is chosen from. */
export interface AllReduceSetting {
  readonly members: number;
  /** Machines they run on. */
  readonly hosts: number;
  /** Of theta, in float32. */
  readonly bytes: number;
  /** Whether processes of one host can share memory (the native add-on is there). */
  readonly sharedMemory: boolean;
  /** Asked for by name. Default: chosen. */
  readonly algorithm?: Algorithm;
  /** Sums travel rounded or sparse. Default false. */
  readonly lossy?: boolean;
}

export interface AllReduceChoice {
  /** How sums travel between hosts, or, where they share no memory, between members; undefined: within one memory only. */
  readonly network: Algorithm | undefined;
  /** Members of one host merge in memory they share first (`planHierarchical` where there is a network too). */
  readonly shared: boolean;
  /** For people. */
  readonly reason: string;
}

/**
 * What a message costs beside its bytes: the processor's time at both ends, and the time until it arrives, in seconds
 * (measured with bench/exchange.ts between processes of one machine; networks take longer for the second).
 */
const MESSAGE_SECONDS = 40e-6;
const ARRIVAL_SECONDS = 100e-6;
const BYTES_A_SECOND = 1e9;

/**
 * How members merge their sums, as a pure function, with its reason. All choices but the ring give the canonical bits; the
 * ring is taken only when it is asked for.
 *
 * Sliced owners and halving and doubling send the same bytes: the former in 2 steps of N - 1 messages, the latter in
 * 2 log2 N steps of one. So the former is for few members or long vectors, the latter for many with short ones.
 *
 * @example chooseAllReduce({ members: 4, hosts: 2, bytes: 4e6, sharedMemory: true })
 * // { network: 'sliced', shared: true, reason: '4 members on 2 hosts: shared memory within a host, sliced owners between hosts' }
 */
export function chooseAllReduce(setting: AllReduceSetting): AllReduceChoice {
  const { members, hosts, sharedMemory, algorithm, lossy = false } = setting;
  const who = `${members} ${members === 1 ? 'member' : 'members'} on ${hosts} ${hosts === 1 ? 'host' : 'hosts'}`;
  if (algorithm && !(lossy && algorithm === 'halving-doubling'))
    return { network: algorithm, shared: false, reason: `${who}: ${algorithm}, as asked for` };
  if (members === 1) return { network: 'sliced', shared: false, reason: `${who}: nothing to exchange` };
  if (sharedMemory && hosts === 1 && !lossy)
    return { network: undefined, shared: true, reason: `${who}: shared memory` };
  if (lossy)
    return { network: 'sliced', shared: false, reason: `${who}: sliced owners, the only way for rounded sums` };
  if (sharedMemory && hosts < members)
    return {
      network: 'sliced',
      shared: true,
      reason: `${who}: shared memory within a host, sliced owners between hosts`,
    };
  const network = cheaper(members, setting.bytes);
  const between = network === 'sliced' ? 'sliced owners' : 'halving and doubling';
  return { network, shared: false, reason: `${who}: ${between} (${secondsText(members, setting.bytes)})` };
}

/** Predicted seconds of an exchange of so many members. Each has its own link. */
export function allReduceSeconds(algorithm: 'sliced' | 'halving-doubling', members: number, bytes: number): number {
  const moving = (2 * (members - 1) * bytes) / members / BYTES_A_SECOND;
  if (algorithm === 'sliced') return moving + 2 * (ARRIVAL_SECONDS + (members - 1) * MESSAGE_SECONDS);
  const active = 2 ** Math.floor(Math.log2(members));
  const folding = active < members ? 2 * (ARRIVAL_SECONDS + MESSAGE_SECONDS + bytes / BYTES_A_SECOND) : 0;
  return moving + folding + 2 * Math.log2(active) * (ARRIVAL_SECONDS + MESSAGE_SECONDS);
}

function cheaper(members: number, bytes: number): 'sliced' | 'halving-doubling' {
  const [sliced, halving] = [
    allReduceSeconds('sliced', members, bytes),
    allReduceSeconds('halving-doubling', members, bytes),
  ];
  return halving < sliced ? 'halving-doubling' : 'sliced';
}

function secondsText(members: number, bytes: number): string {
  const text = (algorithm: 'sliced' | 'halving-doubling') =>
    `${algorithm} ${(1e3 * allReduceSeconds(algorithm, members, bytes)).toPrecision(2)} ms`;
  return `predicted: ${text('sliced')}, ${text('halving-doubling')}`;
}
