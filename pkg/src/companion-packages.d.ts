declare module 'pie-embed-wasm-multi' {
  type ModelPackage = import('./companion.js').ModelPackage;
  export const name: ModelPackage['name'];
  export const version: ModelPackage['version'];
  export const model: ModelPackage['model'];
  export const taxonomy: ModelPackage['taxonomy'];
}
