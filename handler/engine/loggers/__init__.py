"""Files that callbacks append to, restored when a training resumes: CSV files and TensorBoard's event files."""
