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
 * What one message more costs a member, and a byte more: the processor's time at both ends, with the additions and the update. From
 * `npx tsx bench/exchange.ts --members 2,4 --megabytes 0.016,0.13,1,4` (processes of one machine, Sapphire Rapids): a member's
 * processor time a step is about 90 µs, 20 to 30 µs for each message it sends (and the one it receives for that), and 0.8 ns a
 * byte of payload while vectors fit into caches, 1.1 ns where not. The 90 µs are alike in every way and left out.
 */
const MESSAGE_SECONDS = 25e-6;
const BYTES_A_SECOND = 1e9;
/**
 * Until a message arrives, besides. Not measured but assumed, as networks differ: half of a round trip between virtual machines of
 * one data centre. (On one machine it is less than 15 µs: two members make a step of two messages each way in 65 µs.)
 */
const ARRIVAL_SECONDS = 100e-6;

/**
 * How members merge their sums, as a pure function, with its reason. All choices but the ring give the canonical bits; the
 * ring is taken only when it is asked for.
 *
 * Within a host memory is shared whenever it can be: it took 0.6 of the processor's time of sockets for vectors of 16 KB, and
 * a sixth for those of 1 and 4 MB.
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
    return {
      network: 'sliced',
      shared: false,
      reason: `${who}: sliced owners, the only way for rounded and sparse sums`,
    };
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
