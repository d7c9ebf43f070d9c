// Finds what a function has on Lambda outside its own folder: /opt, the packages of
// its layers, and those of its runtime. It is asked after Node.js has found nothing;
// only what is below /opt is its own. For import it is a module of hooks, which run
// in a thread of their own; hookRequire does the same for require.
import fs from 'fs';
import module from 'module';
import path from 'path';
import url from 'url';

let around;

export function initialize(data) {
  around = data;
}

// The path of a file below /opt here, or null.
function inOpt(specifier) {
  if (!around.opt) return null;
  let name = specifier;
  if (name.startsWith('file:///opt/')) name = url.fileURLToPath(name);
  return name.startsWith('/opt/') ? path.join(around.opt, name.slice('/opt'.length)) : null;
}

// The name of the package that a specifier is of, or null.
function packageOf(specifier) {
  const match = /^(?:@[^/@:\\]+\/)?[^./@:\\][^/:\\]*/.exec(specifier);
  return match && !module.builtinModules.includes(match[0]) ? match[0] : null;
}

function ofRuntime(name) {
  const hasV2 = around.version > 0 && around.version <= around.lastWithV2;
  if (name === 'aws-sdk') return hasV2;
  return !hasV2 && (name.startsWith('@aws-sdk/') || name.startsWith('@smithy/'));
}

// The folders that have a package which Node.js did not find.
function foldersOf(specifier) {
  const name = packageOf(specifier);
  if (!name) return [];
  const folders = [];
  if (around.opt) {
    const version = around.version || Number(process.versions.node.split('.')[0]);
    folders.push(path.join(around.opt, 'nodejs/node' + version + '/node_modules'), path.join(around.opt, 'nodejs/node_modules'));
  }
  if (ofRuntime(name)) {
    folders.push(...around.packages, path.resolve(process.execPath, '../../lib/node_modules'));
    if (around.install) folders.push(path.join(around.install, 'node_modules'));
  }
  return folders.filter((folder) => ['', '.js', '.json', '.node'].some((end) => fs.existsSync(path.join(folder, name + end))));
}

export async function resolve(specifier, context, next) {
  const file = inOpt(specifier);
  if (file) {
    try {
      return await next(url.pathToFileURL(file).href, context);
    } catch (error) {
      if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    }
  }
  try {
    return await next(specifier, context);
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    for (const folder of foldersOf(specifier)) {
      const parentURL = url.pathToFileURL(path.join(folder, '..', 'index.mjs')).href;
      try {
        return await next(specifier, { ...context, parentURL });
      } catch (other) {
        if (other.code !== 'ERR_MODULE_NOT_FOUND') throw other;
      }
    }
    throw error;
  }
}

export function hookRequire(data) {
  around = data;
  const find = module._resolveFilename;
  const missing = (error) => error && error.code === 'MODULE_NOT_FOUND';
  module._resolveFilename = function (request, parent, isMain, options) {
    const file = inOpt(request);
    if (file) {
      try {
        return find.call(this, file, parent, isMain, options);
      } catch (error) {
        if (!missing(error)) throw error;
      }
    }
    try {
      return find.call(this, request, parent, isMain, options);
    } catch (error) {
      if (!missing(error)) throw error;
      for (const folder of foldersOf(request)) {
        try {
          return find.call(this, request, parent, isMain, { paths: [path.dirname(folder)] });
        } catch (other) {
          if (!missing(other)) throw other;
        }
      }
      throw error;
    }
  };
}
