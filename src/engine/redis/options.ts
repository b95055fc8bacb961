/** They belong to the configuration, which checks them before anything starts. */
export type * from '../../config/redis/options.js';
