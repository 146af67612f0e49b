import { describe, expect, it } from 'vitest';
import { Conf, parseProperties, settingsFromEnvironment } from './conf.js';

describe('settings', () => {
  it('have the first layer that sets them, else their default', () => {
    const conf = new Conf({ 'sheaf.app.name': 'code' }, { 'sheaf.app.name': 'flag', 'sheaf.partitions': '8' });
    expect(conf.get('sheaf.app.name')).toBe('code');
    expect(conf.number('sheaf.partitions')).toBe(8);
    expect(conf.get('sheaf.master')).toBe('local[*]');
    expect([conf.isSet('sheaf.partitions'), conf.isSet('sheaf.master')]).toEqual([true, false]);
    expect(new Conf({ 'sheaf.partitions': undefined }, { 'sheaf.partitions': '2' }).get('sheaf.partitions')).toBe('2');
  });

  it('are refused when unknown or of another form, naming both', () => {
    expect(() => new Conf({ 'sheaf.slots': '1' })).toThrow(
      /no setting "sheaf.slots"; the settings are sheaf\.master, /,
    );
    expect(() => new Conf({}, { 'sheaf.task.maxFailures': '0' })).toThrow(
      'sheaf.task.maxFailures must be a whole number of at least 1, not "0"',
    );
    expect(() => new Conf({ toString: 'x' })).toThrow(/no setting "toString"/);
  });

  it('may be amounts of memory', () => {
    const bytes = (value: string) => new Conf({ 'sheaf.slot.memory': value }).bytes('sheaf.slot.memory');
    expect([bytes('auto'), bytes('1000'), bytes('2k'), bytes('512m'), bytes('3G')]).toEqual([
      undefined,
      1000,
      2048,
      512 * 2 ** 20,
      3 * 2 ** 30,
    ]);
    expect(() => bytes('much')).toThrow('sheaf.slot.memory must be auto or an amount of memory such as 512m or 2g');
  });

  it('come from the environment by their names', () => {
    const environment = { SHEAF_TASK_MAXFAILURES: '7', SHEAF_SECRET: 'x', HOME: '/' };
    expect(settingsFromEnvironment(environment)).toEqual({ 'sheaf.task.maxFailures': '7' });
  });

  it('tell no password', () => {
    const conf = new Conf({ 'sheaf.master': 'redis://:hunter2@queue:6379' });
    expect(JSON.stringify(conf)).not.toContain('hunter2');
    expect(conf.get('sheaf.master')).toContain('hunter2');
  });
});

describe('a properties file', () => {
  it('has a setting a line, as Spark has it', () => {
    const text = '# comment\n\nsheaf.partitions 4\r\nsheaf.app.name=two words\n  sheaf.master:  local[2]  \n';
    expect(parseProperties(text, 'f')).toEqual({
      'sheaf.partitions': '4',
      'sheaf.app.name': 'two words',
      'sheaf.master': 'local[2]',
    });
  });

  it('is refused with file and line', () => {
    expect(() => parseProperties('\nnonsense', 'dir/s.conf')).toThrow('dir/s.conf:2: "nonsense" is not of the form');
    expect(() => parseProperties('sheaf.nothing 1', 's.conf')).toThrow(/^s\.conf:1: there is no setting/);
  });
});
