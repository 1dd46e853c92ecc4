import { byId } from './dom.js';
import { startCompare } from './compare.js';
import { startExplore } from './explore.js';
import { startMeasure } from './measure.js';
import { load } from './model.js';
import { startOffline } from './offline.js';
import { startOwn } from './own.js';
import { startPrompt } from './prompt.js';
import { startView } from './view.js';

startPrompt();
startCompare();
startExplore();
startView();
startOwn();
startMeasure();
startOffline();
byId('retry').addEventListener('click', load);
load();
