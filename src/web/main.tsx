import { render } from 'solid-js/web';
import { startKeys } from './base/keys.ts';
import { followLinks } from './base/router.ts';
import { startTheme } from './base/theme.ts';
import { Shell } from './shell.tsx';
import './styles/theme.css';
import './styles/shell.css';
import './styles/parts.css';

startTheme();
followLinks();
startKeys();
render(() => <Shell />, document.getElementById('page')!);
