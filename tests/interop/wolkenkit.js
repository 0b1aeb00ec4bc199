// Takes steps with the wolkenkit CLI's own telemetry module, and writes down what came of them.
// Arguments: the package's folder, a file for the results, and the steps as JSON, such as
// [["init"], ["send", {"command": "start", "args": {"env": "default"}}]].

'use strict';

const fs = require('fs');
const { createRequire } = require('module');

const [ folder, results, steps ] = process.argv.slice(2);
const ofPackage = createRequire(`${folder}/package.json`);
const telemetry = ofPackage('./dist/telemetry');

const returned = [];
const posted = [];
const failed = [];

// The module tells nobody what it sent, and hides what went wrong.
ofPackage('axios').interceptors.response.use(
  response => {
    const { url, data } = response.config;

    posted.push({ url, body: JSON.parse(data), status: response.status, answer: response.data });

    return response;
  },
  error => {
    failed.push(error.message);

    throw error;
  }
);

(async () => {
  for (const [ name, ...parameters ] of JSON.parse(steps)) {
    returned.push(await telemetry[name](...parameters));
  }
  fs.writeFileSync(results, JSON.stringify({ returned, posted, failed }));
})();
