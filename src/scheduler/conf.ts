import { GPU_REQUEST, GPU_REQUEST_FORM } from '../executor/gpus.js';
import { redactUrl } from './redis-url.js';

/** Every setting, in one table: `--conf key=value`, a line of a properties file, `SHEAF_…` in the environment. */
interface Setting {
  readonly doc: string;
  readonly default: string;
  /** A pattern the value must match, and what to call it in the error. */
  readonly form: readonly [RegExp, string];
}

const WHOLE: Setting['form'] = [/^\d+$/, 'a whole number'];
const COUNT: Setting['form'] = [/^[1-9]\d*$/, 'a whole number of at least 1'];
const UNITS: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };
const TEXT: Setting['form'] = [/^.*$/s, 'text'];
const SWITCH: Setting['form'] = [/^(true|false)$/, 'true or false'];

export const SETTINGS = {
  'sheaf.master': { doc: 'where tasks run', default: 'local[*]', form: TEXT },
  'sheaf.app.name': { doc: 'name shown in logs', default: 'sheaf', form: TEXT },
  'sheaf.partitions': {
    doc: 'partitions of every source; auto: chosen by measurement',
    default: 'auto',
    form: [/^(auto|[1-9]\d*)$/, 'auto or a whole number of at least 1'],
  },
  'sheaf.probe': {
    doc: 'how partitions are chosen: auto (by earlier runs, else by a short probe), always (probe, also when partitions are pinned), off (two partitions a slot)',
    default: 'auto',
    form: [/^(auto|always|off)$/, 'auto, always or off'],
  },
  'sheaf.slot.memory': {
    doc: 'what kept partitions and running operators of a slot may hold, such as 512m or 2g; what is more is spilled or made anew; auto: an equal share of 30 % of the memory of the machine or container',
    default: 'auto',
    form: [/^(auto|[1-9]\d*[kmg]?)$/i, 'auto or an amount of memory such as 512m or 2g'],
  },
  'sheaf.skew.bytes': {
    doc: 'a partition of a join that reads more, and five times as much as half of the others, is computed by several tasks',
    default: '32m',
    form: [/^[1-9]\d*[kmg]?$/i, 'an amount of memory such as 32m'],
  },
  'sheaf.task.maxFailures': { doc: 'attempts of a task before its job fails', default: '4', form: COUNT },
  'sheaf.locality.waitMs': {
    doc: 'how long a task waits for the slot that holds its data',
    default: '50',
    form: WHOLE,
  },
  'sheaf.executor.leaseMs': {
    doc: 'an executor or driver that is silent for so long is lost',
    default: '15000',
    form: COUNT,
  },
  'sheaf.executor.waitMs': { doc: 'how long a job waits for a first executor', default: '60000', form: COUNT },
  'sheaf.executor.gpus': {
    doc: 'GPUs of each executor: auto (all that the machine shows), none, a number, or device= with numbers or UUIDs',
    default: 'auto',
    form: [GPU_REQUEST, GPU_REQUEST_FORM],
  },
  'sheaf.executor.slotsPerGpu': { doc: 'slots that share a GPU', default: '1', form: COUNT },
  'sheaf.train.device': {
    doc: 'slots in which networks compute: auto (GPU slots where there are any), cpu or gpu',
    default: 'auto',
    form: [/^(auto|cpu|gpu)$/, 'auto, cpu or gpu'],
  },
  'sheaf.train.rebalance': {
    doc: 'between epochs a training moves gradient shards from slots that are slow for good to faster ones, where that pays; changes no bit',
    default: 'true',
    form: SWITCH,
  },
  'sheaf.gpu.fallback': {
    doc: 'a GPU slot whose GPU cannot be used computes on the CPU, with a warning, in place of failing',
    default: 'false',
    form: SWITCH,
  },
  'sheaf.backend': {
    doc: 'auto, tensorflow, tfjs-wasm or tfjs-webgpu',
    default: 'auto',
    form: [/^(auto|tensorflow|tfjs-wasm|tfjs-webgpu)$/, 'auto, tensorflow, tfjs-wasm or tfjs-webgpu'],
  },
  'sheaf.aggregation': {
    doc: 'how gradients are merged: tree, ps or allreduce; overrides the job',
    default: 'auto',
    form: [/^(auto|tree|ps|allreduce)$/, 'auto, tree, ps or allreduce'],
  },
  'sheaf.eventLog.enabled': { doc: 'write the event log', default: 'true', form: SWITCH },
  'sheaf.eventLog.dir': { doc: 'where event logs go; empty: the user state directory', default: '', form: TEXT },
  'sheaf.s3.endpoint': {
    doc: 'URL of an S3-compatible server; empty: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, else Amazon',
    default: '',
    form: [/^(https?:\/\/[^\s/@]+.*)?$/, 'an http(s) URL without credentials'],
  },
  'sheaf.s3.region': { doc: 'region of buckets; empty: AWS_REGION, else us-east-1', default: '', form: TEXT },
  'sheaf.s3.pathStyle': {
    doc: 'buckets are in the path, not the host name; auto: with an endpoint of its own',
    default: 'auto',
    form: [/^(auto|true|false)$/, 'auto, true or false'],
  },
  'sheaf.s3.anonymous': { doc: 'read public buckets without credentials', default: 'false', form: SWITCH },
  'sheaf.files': { doc: 'files that tasks may read by name, comma separated', default: '', form: TEXT },
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof SETTINGS;
export type Settings = Readonly<Partial<Record<string, string>>>;

/** Settings after precedence, checked. */
export class Conf {
  readonly #values: ReadonlyMap<string, string>;

  /** @param layers strongest first: code, flags, properties file, environment. @throws Error naming an unknown key or a bad value */
  constructor(...layers: readonly Settings[]) {
    const values = new Map<string, string>();
    for (const layer of [...layers].reverse())
      for (const [key, value] of Object.entries(layer)) if (value !== undefined) values.set(checkedKey(key), value);
    for (const [key, value] of values) checkValue(key as SettingName, value);
    this.#values = values;
  }

  get(key: SettingName): string {
    return this.#values.get(key) ?? SETTINGS[key].default;
  }

  number(key: SettingName): number {
    return Number(this.get(key));
  }

  /** Of a setting in bytes (`512m`, `2g`); undefined for `auto`. */
  bytes(key: SettingName): number | undefined {
    const value = this.get(key).toLowerCase();
    return value === 'auto' ? undefined : Number.parseInt(value, 10) * (UNITS[value.at(-1)!] ?? 1);
  }

  isSet(key: SettingName): boolean {
    return this.#values.has(key);
  }

  /** What was set, for the event log; no setting holds a secret but a master's password. */
  toJSON(): Record<string, string> {
    return Object.fromEntries(
      [...this.#values].map(([key, value]) => [key, key === 'sheaf.master' ? redactUrl(value) : value]),
    );
  }
}

/** `SHEAF_TASK_MAXFAILURES` and the like. */
export function settingsFromEnvironment(environment: NodeJS.ProcessEnv): Settings {
  const names = (Object.keys(SETTINGS) as SettingName[]).map(
    (key) => [key, key.toUpperCase().replaceAll('.', '_')] as const,
  );
  return Object.fromEntries(
    names.map(([key, name]) => [key, environment[name]]).filter(([, value]) => value !== undefined),
  );
}

/** Spark's form: `key value` or `key=value` a line, `#` begins a comment. @throws Error with file and line */
export function parseProperties(text: string, file: string): Settings {
  const settings: Record<string, string> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const content = line.trim();
    if (content === '' || content.startsWith('#')) continue;
    const match = /^([^\s=:]+)\s*[\s=:]\s*(.*)$/.exec(content);
    if (!match) throw new Error(`${file}:${index + 1}: "${content}" is not of the form "key value"`);
    settings[checkedKey(match[1]!, `${file}:${index + 1}: `)] = match[2]!;
  }
  return settings;
}

function checkedKey(key: string, where = ''): string {
  if (Object.hasOwn(SETTINGS, key)) return key;
  const known = Object.keys(SETTINGS).join(', ');
  throw new Error(`${where}there is no setting "${key}"; the settings are ${known}`);
}

function checkValue(key: SettingName, value: string): void {
  const [pattern, form] = SETTINGS[key].form;
  if (!pattern.test(value)) throw new Error(`${key} must be ${form}, not "${redactUrl(value)}"`);
}
