import type { Conf } from '../../scheduler/conf.js';
import type { StorageSettings } from './storage.js';

/** What an application's `sheaf.s3.*` settings say. Never credentials: each process has them from its own environment. */
export function storageSettings(conf: Conf): StorageSettings {
  const pathStyle = conf.get('sheaf.s3.pathStyle');
  return {
    s3: {
      ...(conf.get('sheaf.s3.endpoint') && { endpoint: conf.get('sheaf.s3.endpoint') }),
      ...(conf.get('sheaf.s3.region') && { region: conf.get('sheaf.s3.region') }),
      ...(pathStyle !== 'auto' && { pathStyle: pathStyle === 'true' }),
      ...(conf.get('sheaf.s3.anonymous') === 'true' && { anonymous: true }),
    },
  };
}
