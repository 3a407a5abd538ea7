// The Routing target.
