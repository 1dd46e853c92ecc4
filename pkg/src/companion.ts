import { describe } from './argument.js';
import { type ModelAssets, version } from './assets.js';
import { PieError } from './error.js';

/** What a package of model files exports: `import * as multi from 'pie-embed-wasm-multi'`. */
export interface ModelPackage extends ModelAssets {
  /** The package's npm name. */
  readonly name: string;
  /** The package's own version. */
  readonly version: string;
}

/** Models in npm packages of their own, by the name that `load` takes. A page that names none of them downloads none of them. */
export const companions: Readonly<Record<string, () => Promise<ModelPackage>>> = {
  // The specifier is literal, so that bundlers follow it. webpack warns of a package that is not installed, hence its comment:
  // there a page gives the imported package itself to load().
  async multi() {
    try {
      return checkCompanion(await import(/* webpackIgnore: true */ 'pie-embed-wasm-multi'));
    } catch (cause) {
      if (cause instanceof PieError) throw cause;
      const install = 'install it (npm install pie-embed-wasm-multi)';
      const orGive = "give load() the package (import * as model from 'pie-embed-wasm-multi') or the URLs of model and taxonomy";
      throw new PieError('not_found', `the package pie-embed-wasm-multi was not found: ${install}, or ${orGive}`, { cause });
    }
  },
};

export function isModelPackage(model: unknown): model is ModelPackage {
  return typeof model === 'object' && model !== null && 'model' in model && 'version' in model;
}

/** A model package fits where the first two numbers of its version are those of this package. */
export function checkCompanion(found: ModelPackage): ModelPackage {
  const line = (of: string) => of.split('.', 2).join('.');
  if (line(String(found.version)) === line(version)) return found;
  const versions = `${describe(found.name)} has version ${describe(found.version)}, pie-embed-wasm has ${version}`;
  throw new PieError('model_unsupported', `${versions}: install ${found.name}@${line(version)}`);
}
