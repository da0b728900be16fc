// Modules are numbered in their order: the names that are hashed otherwise have the path of the
// folder of the build in them, and two builds would differ.
module.exports = { optimization: { moduleIds: 'natural' } };
